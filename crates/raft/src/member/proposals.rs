//! Proposals of this member on their way through the log, by the index they were given.

use std::collections::VecDeque;

use crate::ProposalId;

/// Proposals of one term of leadership, in the order of their indexes.
#[derive(Default)]
pub(crate) struct Proposals {
    term: u64,
    waiting: VecDeque<(u64, ProposalId)>,
}

impl Proposals {
    /// Notes that the leader of `term` put a proposal at `index`.
    pub(crate) fn add(&mut self, index: u64, term: u64, id: ProposalId) {
        debug_assert!(
            self.waiting.is_empty() || self.term == term,
            "proposals of an earlier term are dropped"
        );
        self.term = term;
        self.waiting.push_back((index, id));
    }

    /// Returns the proposal that is committed at `index`, if this member made it.
    pub(crate) fn commit(&mut self, index: u64, term: u64) -> Option<ProposalId> {
        let &(front, id) = self.waiting.front()?;
        if front != index || self.term != term {
            return None;
        }
        self.waiting.pop_front();
        Some(id)
    }

    /// Gives up the proposals of every term but `leading`. Their outcome is unknown to this member.
    pub(crate) fn give_up(&mut self, leading: Option<u64>) -> impl Iterator<Item = ProposalId> + use<> {
        let keep = self.waiting.is_empty() || leading == Some(self.term);
        let given_up = if keep { VecDeque::new() } else { std::mem::take(&mut self.waiting) };
        given_up.into_iter().map(|(_, id)| id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_entry_that_was_proposed_commits_it() {
        let mut proposals = Proposals::default();
        proposals.add(5, 2, ProposalId(50));
        proposals.add(7, 2, ProposalId(70));
        assert_eq!(proposals.commit(4, 2), None);
        assert_eq!(proposals.commit(5, 2), Some(ProposalId(50)));
        assert_eq!(proposals.commit(6, 2), None);
        assert_eq!(proposals.commit(7, 3), None, "another leader's entry");
    }

    #[test]
    fn leadership_lost_gives_up_and_leadership_kept_does_not() {
        let mut proposals = Proposals::default();
        proposals.add(5, 2, ProposalId(50));
        assert_eq!(proposals.give_up(Some(2)).count(), 0);
        assert_eq!(proposals.give_up(Some(4)).collect::<Vec<_>>(), [ProposalId(50)]);
        assert_eq!(proposals.give_up(None).count(), 0);
    }
}
