//! `system df -v`: a table for each kind of object.

use jiff::Timestamp;
use skep_api::client::DiskUsage;

use crate::commands::{container, image, volume};
use crate::format::{Cell, Column, Format, Listing};

/// Headings that are other here than in the lists of the objects.
const IMAGE_TABLE: &[&str] =
    &["Repository", "Tag", "ID", "CreatedSince", "Size", "SharedSize", "UniqueSize", "Containers"];
const CONTAINER_TABLE: &[&str] =
    &["ID", "Image", "Command", "LocalVolumes", "Size", "RunningFor", "Status", "Names"];
const VOLUME_TABLE: &[&str] = &["Name", "Links", "Size"];

/// All tables.
pub(super) fn verbose(mut usage: DiskUsage, now: Timestamp) -> String {
    // Only what a container has of its own is a use of the disk by it.
    usage.containers.iter_mut().for_each(|container| container.size_root_fs = 0);
    let images = image::ls::short_listing(&usage.images, now);
    let containers = container::ls::listing(&usage.containers, false, now);
    let volumes = volume::ls::listing(usage.volumes);
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
