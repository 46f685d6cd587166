//! What a test may look at: nothing here changes the group.

use skep_raft::{MemberId, TransferError};

use super::World;

impl World {
    pub fn leader(&self) -> Option<MemberId> {
        let leads = |id: &MemberId| self.owners[id].leads && !self.cut_off.contains(id);
        let newest = self.members.iter().filter(|(id, _)| leads(id));
        newest.max_by_key(|(_, member)| member.status().leadership.term).map(|(id, _)| *id)
    }

    pub fn believes_to_lead(&self, id: MemberId) -> bool {
        self.owners[&id].leads
    }

    pub fn has_caught_up(&self, id: MemberId) -> bool {
        let newest = self.owners.values().map(|owner| owner.index).max().unwrap_or(0);
        self.owners[&id].index == newest
    }

    pub fn undecided_count(&self, id: MemberId) -> usize {
        self.owners[&id].undecided.len()
    }

    pub fn acknowledged_count(&self) -> usize {
        self.acknowledged.len()
    }

    pub fn snapshots_installed(&self, id: MemberId) -> u64 {
        self.owners[&id].snapshots_installed
    }

    pub fn transfers(&self, id: MemberId) -> &[Result<(), TransferError>] {
        &self.owners[&id].transfers
    }

    pub fn is_told_of_its_lost_disk(&self, id: MemberId) -> bool {
        self.lost_disk[&id] > 0
    }

    pub fn reads_confirmed(&self) -> u64 {
        self.reads_confirmed
    }

    pub fn reads_failed(&self) -> u64 {
        self.reads_failed
    }

    /// Returns what was delivered to whom, in order.
    pub fn trace(self) -> Vec<(MemberId, u64, u64)> {
        self.trace
    }
}
