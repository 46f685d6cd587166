//! Who the members of the group are, now and at the entries that a snapshot may be taken at.
//!
//! Changes go one at a time: a member joins as a learner, is promoted when it has caught up, and a leader
//! hands over before it is removed. Raft applies a change when it is *delivered*, and nothing is stored for
//! it: a start replays the changes between the snapshot and the commit index. That index may lag on disk,
//! but never by two changes, which could elect two leaders: a change is proposed only after the one before
//! was applied, so whoever stores its entry stores, in the same transaction, a commit index that includes
//! the one before.

use std::collections::VecDeque;

use raft::eraftpb::{ConfChange, ConfChangeType, ConfState};
use raft::{ProgressTracker, StateRole};
use thiserror::Error;

use crate::MemberId;
use crate::limits::{MEMBERS_MAX, PROMOTE_LAG_MAX};
use crate::storage::SnapshotMeta;

/// The members of a group as of an entry.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Members {
    /// The entry that made it so.
    pub index: u64,
    /// Members that vote, in ascending order.
    pub voters: Vec<MemberId>,
    /// Members that only receive, in ascending order.
    pub learners: Vec<MemberId>,
}

impl Members {
    pub(crate) fn new(index: u64, state: &ConfState) -> Self {
        let sorted = |lists: [&[u64]; 2]| {
            let mut ids = lists.concat();
            ids.sort_unstable();
            ids.dedup();
            ids
        };
        Self {
            index,
            voters: sorted([&state.voters, &state.voters_outgoing]),
            learners: sorted([&state.learners, &state.learners_next]),
        }
    }

    /// Returns whether `id` is the one and only member.
    pub(crate) fn is_only(&self, id: MemberId) -> bool {
        self.voters == [id] && self.learners.is_empty()
    }
}

/// A change of who the members are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MemberChange {
    /// Adds a member that receives the log and does not vote.
    AddLearner(MemberId),
    /// Makes a learner that has caught up a voter.
    Promote(MemberId),
    /// Makes a voter a learner.
    Demote(MemberId),
    /// Removes a learner or voter.
    Remove(MemberId),
}

/// Why a change of members did not happen.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum ChangeError {
    /// Only the leader changes the members.
    #[error("this member does not lead")]
    NotLeader,
    /// Another change is under way.
    #[error("another change of members is under way")]
    Pending,
    /// Leadership was lost before the outcome was known; it may still happen.
    #[error("leadership was lost before the change was committed")]
    Dropped,
    /// The member exists already.
    #[error("member {id} exists already")]
    Exists {
        /// The member.
        id: MemberId,
    },
    /// There is no such member, or it has another role.
    #[error("there is no such learner or voter as member {id}")]
    Unknown {
        /// The member.
        id: MemberId,
    },
    /// The learner lags too far behind to vote.
    #[error("member {id} is {lag} entries behind, at most {max} are allowed")]
    Behind {
        /// The member.
        id: MemberId,
        /// How many entries it lacks.
        lag: u64,
        /// How many it may lack.
        max: u64,
    },
    /// The leader must hand over before it goes.
    #[error("member {id} leads: transfer leadership first")]
    Leads {
        /// The member.
        id: MemberId,
    },
    /// The group is as large as it may be.
    #[error("a group has at most {max} members")]
    Full {
        /// The bound.
        max: usize,
    },
    /// The log was shut down.
    #[error("the log is shut down")]
    Closed,
}

/// Checks whether the leader may propose `change`, and returns it in raft's words.
pub(crate) fn plan_change(
    leader: MemberId,
    role: StateRole,
    tracker: &ProgressTracker,
    committed: u64,
    change: MemberChange,
) -> Result<ConfChange, ChangeError> {
    if role != StateRole::Leader {
        return Err(ChangeError::NotLeader);
    }
    let members = Members::new(0, &tracker.conf().to_conf_state());
    let is_learner = |id| members.learners.contains(&id);
    let is_voter = |id| members.voters.contains(&id);
    let (kind, id) = match change {
        MemberChange::AddLearner(id) if id == raft::INVALID_ID => return Err(ChangeError::Unknown { id }),
        MemberChange::AddLearner(id) if is_learner(id) || is_voter(id) => {
            return Err(ChangeError::Exists { id });
        }
        MemberChange::AddLearner(_) if members.voters.len() + members.learners.len() >= MEMBERS_MAX => {
            return Err(ChangeError::Full { max: MEMBERS_MAX });
        }
        MemberChange::AddLearner(id) => (ConfChangeType::AddLearnerNode, id),
        MemberChange::Promote(id) => {
            let matched =
                tracker.get(id).filter(|_| is_learner(id)).ok_or(ChangeError::Unknown { id })?.matched;
            let lag = committed.saturating_sub(matched);
            if lag > PROMOTE_LAG_MAX {
                return Err(ChangeError::Behind { id, lag, max: PROMOTE_LAG_MAX });
            }
            (ConfChangeType::AddNode, id)
        }
        MemberChange::Demote(id) | MemberChange::Remove(id) if id == leader => {
            return Err(ChangeError::Leads { id });
        }
        MemberChange::Demote(id) if is_voter(id) => (ConfChangeType::AddLearnerNode, id),
        MemberChange::Remove(id) if is_voter(id) || is_learner(id) => (ConfChangeType::RemoveNode, id),
        MemberChange::Demote(id) | MemberChange::Remove(id) => return Err(ChangeError::Unknown { id }),
    };
    let mut planned = ConfChange { node_id: id, ..ConfChange::default() };
    planned.set_change_type(kind);
    Ok(planned)
}

/// The members at every entry since the snapshot.
pub(crate) struct History(VecDeque<(u64, ConfState)>);

impl History {
    pub(crate) fn new(snapshot: &SnapshotMeta) -> Self {
        Self(VecDeque::from([(snapshot.position.index, snapshot.members.clone())]))
    }

    /// Begins anew at a snapshot of the leader.
    pub(crate) fn restart(&mut self, snapshot: &SnapshotMeta) {
        *self = Self::new(snapshot);
    }

    pub(crate) fn push(&mut self, index: u64, members: ConfState) {
        self.0.push_back((index, members));
    }

    /// Returns the members as of `index`, which is not before the snapshot.
    pub(crate) fn at(&self, index: u64) -> &ConfState {
        let after = self.0.partition_point(|(changed_at, _)| *changed_at <= index);
        &self.0[after.saturating_sub(1)].1
    }

    pub(crate) fn current(&self) -> Members {
        let (index, state) = self.0.back().expect("the members at the snapshot are always known");
        Members::new(*index, state)
    }

    /// Forgets what was before a snapshot at `index`.
    pub(crate) fn forget_before(&mut self, index: u64) {
        let after = self.0.partition_point(|(changed_at, _)| *changed_at <= index);
        self.0.drain(..after.saturating_sub(1));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::Position;

    fn voters(ids: &[u64]) -> ConfState {
        ConfState { voters: ids.to_vec(), ..ConfState::default() }
    }

    #[test]
    fn a_snapshot_has_the_members_of_its_own_index() {
        let position = Position { index: 10, term: 1 };
        let mut history = History::new(&SnapshotMeta { position, members: voters(&[1]) });
        history.push(20, voters(&[1, 2]));
        history.push(30, voters(&[1, 2, 3]));
        assert_eq!(history.at(19).voters, [1]);
        assert_eq!(history.at(20).voters, [1, 2]);
        history.forget_before(25);
        assert_eq!(history.at(25).voters, [1, 2]);
        assert_eq!(history.current(), Members { index: 30, voters: vec![1, 2, 3], learners: vec![] });
    }
}
