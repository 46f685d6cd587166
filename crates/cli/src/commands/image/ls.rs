//! `image ls`: a row for each name of an image.

use std::collections::BTreeMap;

use clap::Args;
use jiff::Timestamp;
use skep_api::client::ImageSummary;

use crate::commands::container::ls::local_time;
use crate::commands::flags::ListFlags;
use crate::commands::{at_most_one, show_list};
use crate::context::Context;
use crate::fault::Fault;
use crate::format::{Cell, Column, Listing, Reference, decimal_bytes, short_digest, since};

/// What has no name, tag or digest.
const NONE: &str = "<none>";

/// List images
#[derive(Args, Debug)]
#[command(
    before_help = "[OPTIONS] [REPOSITORY[:TAG]]",
    after_help = "image ls, image list, images",
    mut_arg("quiet", |quiet| quiet.help("Only show image IDs"))
)]
pub(crate) struct Flags {
    /// Show all images (default hides intermediate images)
    #[arg(short, long)]
    all: bool,
    /// Show digests
    #[arg(long)]
    digests: bool,
    #[command(flatten)]
    list: ListFlags,
    /// Don't truncate output
    #[arg(long)]
    no_trunc: bool,
    /// List multi-platform images as a tree (EXPERIMENTAL)
    #[arg(long)]
    tree: bool,
    #[arg(hide = true)]
    arguments: Vec<String>,
}

const COLUMNS: &[Column] = &[
    Column { field: "ID", heading: "IMAGE ID" },
    Column { field: "Repository", heading: "REPOSITORY" },
    Column { field: "Tag", heading: "TAG" },
    Column { field: "Digest", heading: "DIGEST" },
    Column { field: "CreatedSince", heading: "CREATED" },
    Column { field: "CreatedAt", heading: "CREATED AT" },
    Column { field: "Size", heading: "SIZE" },
    Column { field: "Containers", heading: "CONTAINERS" },
    Column { field: "SharedSize", heading: "SHARED SIZE" },
    Column { field: "UniqueSize", heading: "UNIQUE SIZE" },
    Column { field: "VirtualSize", heading: "VIRTUAL SIZE" },
];

const TABLE: &[&str] = &["Repository", "Tag", "ID", "CreatedSince", "Size"];
const TABLE_WITH_DIGESTS: &[&str] = &["Repository", "Tag", "Digest", "ID", "CreatedSince", "Size"];

pub(crate) async fn run(context: &mut Context, flags: Flags) -> Result<(), Fault> {
    let Flags { all, digests, list, no_trunc, tree, arguments } = flags;
    let name = at_most_one(context, arguments)?;
    if tree {
        return Err(Fault::new("--tree is not supported: a node of Skep keeps one platform of an image"));
    }
    let format = context.list_format(&list.format, "imagesFormat", list.quiet)?;
    let mut filters = list.filters();
    if let Some(name) = name {
        filters.add("reference", name);
    }
    let client = context.client().await?;
    let images = client.images(all, &filters).await?;
    let wanted = match (digests, format.contains("{{.Digest}}")) {
        (true, _) => Digests::Rows,
        (false, true) => Digests::OfTags,
        (false, false) => Digests::None,
    };
    let now = (context.now)();
    let mut listing = listing(&images, wanted, no_trunc, now);
    if digests {
        listing.table = TABLE_WITH_DIGESTS;
    }
    show_list(context, &listing, &format, list.quiet)
}

/// Which digests have rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Digests {
    None,
    /// Those of repositories that have tags.
    OfTags,
    /// All.
    Rows,
}

/// One row per name and, where they are shown, digest.
fn listing(images: &[ImageSummary], digests: Digests, no_trunc: bool, now: Timestamp) -> Listing {
    let mut rows = Vec::new();
    for image in images {
        for name in names(image, digests) {
            rows.push(row(image, &name, no_trunc, now));
        }
    }
    with_rows(rows)
}

/// One row per image, under its first name.
pub(crate) fn short_listing(images: &[ImageSummary], no_trunc: bool, now: Timestamp) -> Listing {
    let row = |image: &ImageSummary| {
        let tag = image.repo_tags.first().and_then(|tag| Reference::parse(tag));
        let repository = tag.as_ref().map_or(NONE.to_owned(), Reference::familiar_name);
        let tag = tag.as_ref().and_then(Reference::tag).unwrap_or(NONE).to_owned();
        row(image, &Name { repository, tag, digest: String::new() }, no_trunc, now)
    };
    with_rows(images.iter().map(row).collect())
}

fn with_rows(rows: Vec<Vec<Cell>>) -> Listing {
    Listing {
        type_name: "*formatter.imageContext",
        columns: COLUMNS,
        key: "ID",
        table: TABLE,
        raw: &[
            ("Repository", "repository"),
            ("Tag", "tag"),
            ("ID", "image_id"),
            ("CreatedAt", "created_at"),
            ("Size", "virtual_size"),
        ],
        rows,
    }
}

/// A name of an image.
struct Name {
    repository: String,
    tag: String,
    digest: String,
}

/// The names of an image: each tag, and each digest of a repository without tags.
fn names(image: &ImageSummary, digests: Digests) -> Vec<Name> {
    let parse = |texts: &[String]| texts.iter().filter_map(|text| Reference::parse(text)).collect::<Vec<_>>();
    let (tagged, pinned) = (parse(&image.repo_tags), parse(&image.repo_digests));
    let digests_of = |repository: &str| -> Vec<String> {
        let own = pinned.iter().filter(|reference| reference.familiar_name() == repository);
        own.filter_map(|reference| reference.digest().map(str::to_owned)).collect()
    };
    let name = |repository: &str, tag: &str, digest: &str| Name {
        repository: repository.to_owned(),
        tag: tag.to_owned(),
        digest: digest.to_owned(),
    };
    let mut names = Vec::new();
    let mut tags: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for reference in &tagged {
        let tag = reference.tag().unwrap_or(NONE).to_owned();
        tags.entry(reference.familiar_name()).or_default().push(tag);
    }
    for (repository, tags) in &tags {
        let known = if digests == Digests::None { Vec::new() } else { digests_of(repository) };
        for tag in tags {
            match known.is_empty() {
                true => names.push(name(repository, tag, NONE)),
                false => names.extend(known.iter().map(|digest| name(repository, tag, digest))),
            }
        }
    }
    let mut untagged: Vec<String> = pinned.iter().map(Reference::familiar_name).collect();
    untagged.sort();
    untagged.dedup();
    for repository in untagged.iter().filter(|repository| !tags.contains_key(*repository)) {
        match digests {
            Digests::Rows => {
                names.extend(digests_of(repository).iter().map(|digest| name(repository, NONE, digest)));
            }
            _ => names.push(name(repository, NONE, "")),
        }
    }
    if names.is_empty() {
        names.push(name(NONE, NONE, NONE));
    }
    names
}

fn row(image: &ImageSummary, name: &Name, no_trunc: bool, now: Timestamp) -> Vec<Cell> {
    let created_at = Timestamp::from_second(image.created).unwrap_or(now);
    let ago = match image.created {
        ..=0 => "N/A".to_owned(),
        _ => format!("{} ago", since(created_at, now)),
    };
    let unknown = |count: i64, shown: String| if count < 0 { "N/A".to_owned() } else { shown };
    let unique = image.size - image.shared_size;
    vec![
        if no_trunc { image.id.as_str() } else { short_digest(&image.id) }.into(),
        name.repository.as_str().into(),
        name.tag.as_str().into(),
        name.digest.as_str().into(),
        ago.into(),
        local_time(created_at).into(),
        decimal_bytes(image.size, 3).into(),
        unknown(image.containers, image.containers.to_string()).into(),
        unknown(image.shared_size, decimal_bytes(image.shared_size, 4)).into(),
        unknown(image.shared_size, decimal_bytes(unique, 4)).into(),
        decimal_bytes(image.size, 4).into(),
    ]
}
