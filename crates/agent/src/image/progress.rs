//! How far pulls are, for whoever looks.
//!
//! Layers write where they are into meters, which cost an atomic store; readers look at them when they like. So a
//! slow reader delays no pull, and two pulls that share a layer show the same numbers. Which sentence a user reads is
//! decided by the API.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, Weak};

use super::digest::Digest;
use super::sync::lock;

/// How far a layer is; sizes in compressed bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LayerState {
    /// It is not here, and nobody fetches it yet.
    Waiting,
    Downloading {
        done: u64,
        total: u64,
    },
    Verifying,
    Downloaded,
    Extracting {
        done: u64,
        total: u64,
    },
    Complete,
    /// It was here before.
    AlreadyHere,
}

#[derive(Clone, Copy)]
/// A new meter has none of them: its layer waits.
pub(super) enum Phase {
    Downloading = 1,
    Verifying,
    Downloaded,
    Extracting,
    Complete,
    AlreadyHere,
}

/// Where one layer is.
#[derive(Debug, Default)]
pub(super) struct Meter {
    phase: AtomicU8,
    done: AtomicU64,
    total: AtomicU64,
}

impl Meter {
    /// Enters a phase, of which `total` bytes are to be done.
    pub fn enter(&self, phase: Phase, total: u64) {
        self.done.store(0, Ordering::Relaxed);
        self.total.store(total, Ordering::Relaxed);
        self.phase.store(phase as u8, Ordering::Release);
    }

    pub fn add(&self, bytes: u64) {
        self.done.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Starts a phase over.
    pub fn set(&self, bytes: u64) {
        self.done.store(bytes, Ordering::Relaxed);
    }

    pub fn state(&self) -> LayerState {
        let phase = self.phase.load(Ordering::Acquire);
        let total = self.total.load(Ordering::Relaxed);
        let done = self.done.load(Ordering::Relaxed).min(total);
        match phase {
            phase if phase == Phase::Downloading as u8 => LayerState::Downloading { done, total },
            phase if phase == Phase::Verifying as u8 => LayerState::Verifying,
            phase if phase == Phase::Downloaded as u8 => LayerState::Downloaded,
            phase if phase == Phase::Extracting as u8 => LayerState::Extracting { done, total },
            phase if phase == Phase::Complete as u8 => LayerState::Complete,
            phase if phase == Phase::AlreadyHere as u8 => LayerState::AlreadyHere,
            _ => LayerState::Waiting,
        }
    }
}

/// One pull: what it resolved to, and its layers, bottom first.
#[derive(Debug, Default)]
pub(super) struct Feed(Mutex<FeedState>);

#[derive(Clone, Debug, Default)]
pub(super) struct FeedState {
    pub top: Option<Digest>,
    pub layers: Vec<(Digest, Arc<Meter>)>,
}

impl Feed {
    pub fn publish(&self, top: Digest, layers: Vec<(Digest, Arc<Meter>)>) {
        *lock(&self.0) = FeedState { top: Some(top), layers };
    }

    pub fn look(&self) -> FeedState {
        lock(&self.0).clone()
    }
}

/// The meters of all layers on their way, and the feeds of all pulls. It holds none of them alive.
#[derive(Debug, Default)]
pub(super) struct Board {
    meters: Mutex<HashMap<Digest, Weak<Meter>>>,
    feeds: Mutex<HashMap<String, Weak<Feed>>>,
}

impl Board {
    pub fn meter(&self, layer: Digest) -> Arc<Meter> {
        shared(&self.meters, layer)
    }

    pub fn feed(&self, pull: String) -> Arc<Feed> {
        shared(&self.feeds, pull)
    }
}

fn shared<K: std::hash::Hash + Eq, T: Default>(map: &Mutex<HashMap<K, Weak<T>>>, key: K) -> Arc<T> {
    let mut map = lock(map);
    // What nobody looks at any more leaves only its key behind.
    map.retain(|_, held| held.strong_count() > 0);
    match map.get(&key).and_then(Weak::upgrade) {
        Some(held) => held,
        None => {
            let made = Arc::<T>::default();
            map.insert(key, Arc::downgrade(&made));
            made
        }
    }
}
