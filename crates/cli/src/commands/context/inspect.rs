//! `context inspect`.

use clap::Args;
use serde_json::json;

use super::store;
use crate::commands::flags::ObjectFlags;
use crate::commands::inspect::{RawInspection, check_raw_format};
use crate::context::Context;
use crate::endpoint::{context_name, default_host};
use crate::fault::Fault;
use crate::store::{DEFAULT, Store, Stored};

/// Display detailed information on one or more contexts
#[derive(Args, Debug)]
#[command(before_help = "[OPTIONS] [CONTEXT] [CONTEXT...]")]
pub(crate) struct Flags {
    #[command(flatten)]
    object: ObjectFlags,
    #[arg(hide = true)]
    arguments: Vec<String>,
}

pub(crate) fn run(context: &mut Context, flags: Flags) -> Result<(), Fault> {
    let Flags { object: ObjectFlags { format }, mut arguments } = flags;
    check_raw_format(&format)?;
    if arguments.is_empty() {
        arguments.push(context_name(context)?);
    }
    let store = store(context);
    let mut inspection = RawInspection::default();
    for name in &arguments {
        let stored = match name.as_str() {
            DEFAULT => {
                let host = default_host(context)?;
                Ok(Stored { name: name.clone(), host, ..Stored::default() })
            }
            name => store.get(name).map_err(Fault::from),
        };
        inspection.add("context", stored.map(|stored| describe(&store, &stored).into()));
    }
    inspection.show(context, &format)
}

/// In the order in which Docker shows it.
fn describe(store: &Store, stored: &Stored) -> String {
    let is_default = stored.name == DEFAULT;
    let place = |path: std::path::PathBuf| match is_default {
        true => "<IN MEMORY>".to_owned(),
        false => path.display().to_string(),
    };
    let mut metadata = stored.rest.clone();
    if !stored.description.is_empty() {
        metadata.insert("Description".to_owned(), json!(stored.description));
    }
    let files: Vec<&str> = store.tls_files(&stored.name).iter().map(|(file, _)| *file).collect();
    let tls = if files.is_empty() { json!({}) } else { json!({"docker": files}) };
    let endpoint = json!({"Host": stored.host, "SkipTLSVerify": stored.skip_verify});
    format!(
        "{{\"Name\":{},\"Metadata\":{},\"Endpoints\":{{\"docker\":{endpoint}}},\"TLSMaterial\":{tls},\"Storage\":{{\"MetadataPath\":{},\"TLSPath\":{}}}}}",
        json!(stored.name),
        json!(metadata),
        json!(place(store.metadata_directory(&stored.name))),
        json!(place(store.tls_directory(&stored.name))),
    )
}
