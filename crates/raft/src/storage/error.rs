//! What can go wrong between a member and its disk.
//!
//! [`OpenError`] is for the operator who starts a daemon: each sentence says what to do. [`StoreError`]
//! is for a running member: after one of them it stops, because what is on disk is then unknown.

use std::fmt;
use std::io;
use std::path::PathBuf;

use thiserror::Error;

use crate::MemberId;
use crate::seal::SealError;

/// A record, as an operator would name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Record {
    /// The first record: format version, key and member.
    Header,
    /// Where the log begins.
    Base,
    /// Term, vote and commit index.
    HardState,
    /// The entry at an index.
    Entry(u64),
    /// The snapshot at an index.
    Snapshot(u64),
}

impl fmt::Display for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Header => write!(f, "the header"),
            Self::Base => write!(f, "the base"),
            Self::HardState => write!(f, "the hard state"),
            Self::Entry(index) => write!(f, "entry {index}"),
            Self::Snapshot(index) => write!(f, "snapshot {index}"),
        }
    }
}

/// Why the storage of a running member failed.
#[derive(Debug, Error)]
pub enum StoreError {
    /// A transaction is not known to be durable.
    #[error("cannot commit to the log")]
    Write {
        /// What redb reports.
        #[source]
        source: Box<redb::Error>,
    },
    /// A record could not be read.
    #[error("cannot read {record} of the log")]
    Read {
        /// The record.
        record: Record,
        /// What redb reports.
        #[source]
        source: Box<redb::Error>,
    },
    /// A record could not be sealed.
    #[error("cannot seal {record}")]
    Seal {
        /// The record.
        record: Record,
        /// Why.
        #[source]
        source: SealError,
    },
    /// A record is not what was written.
    #[error("cannot open {record}")]
    Unseal {
        /// The record.
        record: Record,
        /// Why.
        #[source]
        source: SealError,
    },
    /// A record opened, but holds nothing that any build writes.
    #[error("{record} makes no sense")]
    Malformed {
        /// The record.
        record: Record,
    },
    /// A record is not there.
    #[error("{record} is missing")]
    Missing {
        /// The record.
        record: Record,
    },
    /// A snapshot file could not be handled.
    #[error("cannot {operation} {path}")]
    Snapshot {
        /// What was being done, as a verb.
        operation: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

impl StoreError {
    pub(crate) fn write(source: impl Into<redb::Error>) -> Self {
        Self::Write { source: Box::new(source.into()) }
    }

    pub(crate) fn read(record: Record, source: impl Into<redb::Error>) -> Self {
        Self::Read { record, source: Box::new(source.into()) }
    }
}

/// Why a log could not be opened.
#[derive(Debug, Error)]
pub enum OpenError {
    /// Another process, or another part of this one, has it open.
    #[error("the log in {dir} is in use: stop the other daemon, or choose another directory")]
    Locked {
        /// The directory of the log.
        dir: PathBuf,
    },
    /// It was there and is not any more.
    #[error(
        "the log in {dir} is missing or empty: restore the directory from a backup, \
         or remove this member from its cluster and join it again"
    )]
    Missing {
        /// The directory of the log.
        dir: PathBuf,
    },
    /// Another release wrote it.
    #[error(
        "the log in {dir} has format version {found}, and this release reads version {supported}: \
         start the release that wrote it, or move the directory away to begin a new cluster"
    )]
    Version {
        /// The directory of the log.
        dir: PathBuf,
        /// The version on disk.
        found: u8,
        /// The version that this build reads.
        supported: u8,
    },
    /// The key is not the one it was written with.
    #[error("the log in {dir} is sealed with another key: unlock it with the key it was written with")]
    Sealed {
        /// The directory of the log.
        dir: PathBuf,
    },
    /// The directory of another member.
    #[error(
        "the log in {dir} belongs to member {found}, and this is member {configured}: \
         point the daemon at its own directory"
    )]
    OtherMember {
        /// The directory of the log.
        dir: PathBuf,
        /// The member on disk.
        found: MemberId,
        /// The member that was configured.
        configured: MemberId,
    },
    /// Something in it is not what was written.
    #[error(
        "the log in {dir} is damaged: restore the directory from a backup, \
         or remove this member from its cluster and join it again"
    )]
    Damaged {
        /// The directory of the log.
        dir: PathBuf,
        /// What is damaged.
        #[source]
        source: StoreError,
    },
    /// The directory could not be made, read or synced.
    #[error("cannot use the directory {dir} for the log: check that it exists, is writable and has space")]
    Directory {
        /// The directory of the log.
        dir: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// redb could not open its file.
    #[error("cannot open the log in {dir}")]
    Database {
        /// The directory of the log.
        dir: PathBuf,
        /// What redb reports.
        #[source]
        source: Box<redb::Error>,
    },
    /// The log could not be read or written at start.
    #[error("cannot start from the log in {dir}")]
    Store {
        /// The directory of the log.
        dir: PathBuf,
        /// What failed.
        #[source]
        source: StoreError,
    },
    /// A setting is out of range.
    #[error("the log cannot start: {reason}")]
    Config {
        /// Which setting, and its range.
        reason: &'static str,
    },
    /// The driver could not be started.
    #[error("cannot start the thread of the log")]
    Thread {
        /// Why.
        #[source]
        source: io::Error,
    },
}

impl OpenError {
    /// Tells apart what an operator can do about an error met while a log is being opened.
    pub(crate) fn from_store(dir: &std::path::Path, source: StoreError) -> Self {
        let dir = dir.to_owned();
        match source {
            StoreError::Unseal { source: SealError::OtherKey, .. } => Self::Sealed { dir },
            StoreError::Unseal { source: SealError::Version { found, supported }, .. } => {
                Self::Version { dir, found, supported }
            }
            StoreError::Unseal { .. } | StoreError::Malformed { .. } | StoreError::Missing { .. } => {
                Self::Damaged { dir, source }
            }
            StoreError::Read { source: ref inner, .. } if matches!(**inner, redb::Error::Corrupted(_)) => {
                Self::Damaged { dir, source }
            }
            _ => Self::Store { dir, source },
        }
    }
}
