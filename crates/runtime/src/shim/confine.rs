//! Giving up, for good, everything a container's process must not have: one path for the first process and for exec.
//!
//! libcontainer could do this too, but it builds the filter anew for every container (15 % of a creation), reads a masked
//! comparison the other way round than the specification, and does nothing for exec. So its configuration is rendered
//! without a filter and without capabilities, and its hook comes here. External runtimes follow their configuration.

use std::io;

use rustix::thread::{CapabilitySet, CapabilitySets, Gid, Uid};

use crate::spec::caps::CapSet;
use crate::spec::process::ProcessPlan;
use crate::sys::bpf::load_seccomp;

/// Takes on the planned user, capabilities and system call filter. The caller still has all of its own.
pub(super) fn confine(plan: &ProcessPlan, filter: &[u8]) -> io::Result<()> {
    if plan.no_new_privileges {
        rustix::thread::set_no_new_privs(true)?;
    } else {
        // Loading a filter is privileged unless no_new_privs is set, so it comes before the drop.
        load_seccomp(filter)?;
    }
    drop_privileges(plan)?;
    if plan.no_new_privileges {
        load_seccomp(filter)?;
    }
    Ok(())
}

fn drop_privileges(plan: &ProcessPlan) -> io::Result<()> {
    let keep: Vec<u32> = plan.caps.numbers().collect();
    for number in CapSet::bounding()?.numbers().filter(|number| !keep.contains(number)) {
        rustix::thread::remove_capability_from_bounding_set(CapabilitySet::from_bits_retain(1 << number))?;
    }
    let groups: Vec<Gid> = plan.user.groups.iter().map(|gid| Gid::from_raw(*gid)).collect();
    rustix::thread::set_thread_groups(&groups)?;
    let (uid, gid) = (Uid::from_raw(plan.user.uid), Gid::from_raw(plan.user.gid));
    rustix::thread::set_thread_res_gid(Some(gid), Some(gid), Some(gid))?;
    rustix::thread::set_keep_capabilities(true)?;
    rustix::thread::set_thread_res_uid(Some(uid), Some(uid), Some(uid))?;
    rustix::thread::set_keep_capabilities(false)?;
    rustix::thread::clear_ambient_capability_set()?;
    let caps = plan.caps.kernel();
    // S5: every set is written, the inheritable one too.
    let sets = CapabilitySets { effective: caps, permitted: caps, inheritable: CapabilitySet::empty() };
    Ok(rustix::thread::set_capabilities(None, sets)?)
}
