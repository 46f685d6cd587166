//! `system df -v`: a table for each kind of object.

use jiff::Timestamp;
use skep_api::client::DiskUsage;

use crate::commands::{container, image, volume};
use crate::format::{Cell, Column, Format, Listing};
use crate::template::{Field, Struct, Template, TemplateError, Value};

/// Headings that are other here than in the lists of the objects.
const IMAGE_TABLE: &[&str] =
    &["Repository", "Tag", "ID", "CreatedSince", "Size", "SharedSize", "UniqueSize", "Containers"];
const CONTAINER_TABLE: &[&str] =
    &["ID", "Image", "Command", "LocalVolumes", "Size", "RunningFor", "Status", "Names"];
const VOLUME_TABLE: &[&str] = &["Name", "Links", "Size"];

/// The lists that there is something in.
struct Lists {
    images: Listing,
    containers: Listing,
    volumes: Listing,
}

impl Lists {
    fn of(mut usage: DiskUsage, no_trunc: bool, now: Timestamp) -> Lists {
        // Only what a container has of its own is a use of the disk by it.
        usage.containers.iter_mut().for_each(|container| container.size_root_fs = 0);
        Lists {
            images: image::ls::short_listing(&usage.images, no_trunc, now),
            containers: container::ls::listing(&usage.containers, no_trunc, now),
            volumes: volume::ls::listing(usage.volumes),
        }
    }
}

/// All lists as one object, by a template.
pub(super) fn filled(template: &Template, usage: DiskUsage, now: Timestamp) -> Result<String, TemplateError> {
    let Lists { images, containers, volumes } = Lists::of(usage, true, now);
    let fields = [
        ("Images", images.values()),
        ("Containers", containers.values()),
        ("Volumes", volumes.values()),
        ("BuildCache", build_cache().values()),
    ];
    let fields = fields.map(|(name, value)| Field::new(name, value)).into();
    template.render(&Value::Struct(Struct { type_name: "*formatter.diskUsageContext".to_owned(), fields }))
}

/// All tables.
pub(super) fn verbose(usage: DiskUsage, now: Timestamp) -> String {
    let Lists { images, containers, volumes } = Lists::of(usage, false, now);
    format!(
        "Images space usage:\n\n{}\nContainers space usage:\n\n{}\nLocal Volumes space usage:\n\n{}\nBuild cache usage: 0B\n\n{}",
        render(Listing { table: IMAGE_TABLE, ..images }),
        render(Listing { table: CONTAINER_TABLE, ..containers }),
        render(Listing { table: VOLUME_TABLE, ..volumes }),
        render(build_cache()),
    )
}

fn render(listing: Listing) -> String {
    listing.render(&Format::Table).expect("a table without a template has no errors")
}

/// Skep builds nothing, so the table has headings only.
fn build_cache() -> Listing {
    const COLUMNS: &[Column] = &[
        Column { field: "ID", heading: "CACHE ID" },
        Column { field: "CacheType", heading: "CACHE TYPE" },
        Column { field: "Size", heading: "SIZE" },
        Column { field: "CreatedSince", heading: "CREATED" },
        Column { field: "LastUsedSince", heading: "LAST USED" },
        Column { field: "UsageCount", heading: "USAGE" },
        Column { field: "Shared", heading: "SHARED" },
    ];
    Listing {
        type_name: "*formatter.buildCacheContext",
        columns: COLUMNS,
        key: "ID",
        table: &["ID", "CacheType", "Size", "CreatedSince", "LastUsedSince", "UsageCount", "Shared"],
        raw: &[],
        rows: Vec::<Vec<Cell>>::new(),
    }
}
