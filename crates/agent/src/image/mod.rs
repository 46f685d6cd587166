//! Images: how their content comes to the node, and what a container needs to know about them.
//!
//! Decides what is fetched, believed, kept and deleted. It does not decide *when* an image is pulled, whether a
//! failed pull is tried again, or which of an image's settings a container overrides; the agent does.
//!
//! ```text
//!   Reference ──► registry/ ──► pull.rs ──► download.rs ──► blobs/sha256/…   verified by digest
//!   "redis:7"     who, where,   what is          │
//!                 logged in     missing          └────────► unpack/ ──► layers/<chain>/fs
//!   Image ◄────── store.rs ◄── index.json  what is known            verified by diff_id
//! ```
//!
//! Nothing gets its final name before it is verified and on disk; see `blobs.rs` and `layers.rs`. Start reading with
//! [`Store`], then `pull.rs`.

mod archive;
mod blobs;
mod config;
mod details;
mod digest;
mod distribution;
mod download;
mod error;
mod flight;
#[doc(hidden)]
pub mod fuzz;
mod index;
mod layers;
mod manifest;
mod names;
mod platform;
mod progress;
mod prune;
mod pull;
mod reference;
mod registry;
mod removal;
mod steps;
mod store;
mod sync;
mod unpack;

pub use self::archive::{ArchiveError, LoadStep, Loaded};
pub use self::config::{Config, Healthcheck};
pub use self::details::{Details, HistoryStep};
pub use self::digest::{Digest, DigestError};
pub use self::distribution::Distribution;
pub use self::error::{PullError, TransportError};
pub use self::index::{IndexError, Removed};
pub use self::manifest::Descriptor;
pub use self::names::LookupError;
pub use self::platform::Platform;
pub use self::progress::LayerState;
pub use self::prune::{DiskUsage, Policy, Swept};
pub use self::reference::{Reference, ReferenceError};
pub use self::registry::{Auth, InsecureEntryError, RegistryConfig};
pub use self::removal::{ImageUser, RemoveError, Usage};
pub use self::steps::PullStep;
pub use self::store::{Image, OpenError, Store};
pub use self::unpack::UnpackError;
