//! Every bound of the log in one place, each with its reason.
//!
//! Sizes are in bytes, durations in ticks of [`Config::tick`](crate::Config::tick).

use std::time::Duration;

/// The largest proposal. A change set is some kilobytes; the bound keeps one careless caller from
/// stalling replication, and one entry from outgrowing a message.
pub const PROPOSAL_BYTES_MAX: usize = 8 << 20;

/// The largest snapshot. It is sealed, sent and installed in one piece, so it must fit in memory twice.
pub const SNAPSHOT_BYTES_MAX: usize = 256 << 20;

/// What a message may hold beside its payload: headers, terms, indexes, acknowledgements.
pub(crate) const MESSAGE_OVERHEAD_MAX: usize = 1 << 20;

/// The largest message from another member: a snapshot and its envelope.
pub const MESSAGE_BYTES_MAX: usize = SNAPSHOT_BYTES_MAX + MESSAGE_OVERHEAD_MAX;

/// How many entries one append may carry; a batch is bounded by [`APPEND_BYTES_MAX`] long before.
pub(crate) const APPEND_ENTRIES_MAX: usize = 65_536;

/// How much one append to a follower carries, unless a single entry is larger.
pub(crate) const APPEND_BYTES_MAX: u64 = 1 << 20;

/// Appends under way to one follower before the leader waits for an answer.
pub(crate) const APPENDS_INFLIGHT_MAX: usize = 64;

/// Proposals not yet committed; beyond it, proposals are dropped instead of filling memory.
pub(crate) const UNCOMMITTED_BYTES_MAX: u64 = 64 << 20;

/// Committed entries handed out in one round, so that a long replay never sits in memory whole.
pub(crate) const COMMITTED_BYTES_PER_ROUND: u64 = 16 << 20;

/// Recent entries kept in memory for followers that are nearly up to date. Older ones come from disk.
pub(crate) const TAIL_BYTES_MAX: usize = 2 << 20;

/// A snapshot is wanted when the entries since the last one reach this size, however few they are:
/// it bounds the disk, the memory of a start, and the time of a replay.
pub(crate) const LOG_BYTES_PER_SNAPSHOT: usize = 32 << 20;

/// How long the owner has to make a snapshot that a member waits for, before it is asked again.
pub(crate) const SNAPSHOT_PATIENCE_TICKS: usize = 10;

/// Pages that redb caches. The log is written far more than read, and the tail is in memory anyway.
pub(crate) const STORE_CACHE_BYTES: usize = 2 << 20;

/// Rounds of one [`Member::ready`](crate::Member::ready) before the driver looks at its inbox again.
pub(crate) const ROUNDS_PER_READY: usize = 64;

/// Shortest election timeout: 1 s at the default tick.
pub(crate) const ELECTION_TICKS_MIN: usize = 10;

/// Longest election timeout, exclusive: 2 s at the default tick.
pub(crate) const ELECTION_TICKS_MAX: usize = 20;

/// Between heartbeats: five of them fit into the shortest election timeout.
pub(crate) const HEARTBEAT_TICKS: usize = 2;

/// A read that nobody answered is asked again after this many ticks: raft drops reads silently
/// while there is no leader, or while the leader has committed nothing of its own term.
pub(crate) const READ_RETRY_TICKS: u32 = 5;

/// A read that is still unanswered fails after this many ticks: two long elections.
pub(crate) const READ_TICKS_MAX: u32 = 40;

/// Reads waiting at the same time, whoever asked.
pub(crate) const READS_MAX: usize = 4_096;

/// How far, in entries, a learner may lag behind the leader and still be promoted.
pub(crate) const PROMOTE_LAG_MAX: u64 = 1_000;

/// Voters and learners together. Swarm recommends seven managers at most.
pub(crate) const MEMBERS_MAX: usize = 64;

/// Commands waiting for the driver.
pub(crate) const INBOX_COMMANDS_MAX: usize = 1_024;

/// Payload bytes waiting for the driver: eight of the largest proposals.
pub(crate) const INBOX_BYTES_MAX: usize = 8 * PROPOSAL_BYTES_MAX;

/// Commands taken before they are committed together in one transaction.
pub(crate) const COMMANDS_PER_COMMIT: usize = 256;

/// Deliveries waiting for the owner. Beyond it the driver waits: an owner that is stuck should not lead.
pub const DELIVERIES_MAX: usize = 256;

/// The default period of the clock.
pub const TICK: Duration = Duration::from_millis(100);
