//! How much memory this process keeps for its threads.

/// Heaps that glibc may keep for threads that allocate at the same time. Its default, eight per
/// processor, leaves a daemon that forks rarely and waits mostly with megabytes of half-empty heaps.
const ARENAS_MAX: libc::c_int = 2;

/// Tells the allocator to share its heaps between threads. Call it before the first thread starts.
pub fn share_heaps() {
    #[cfg(target_env = "gnu")]
    // SAFETY: mallopt only sets a parameter of the allocator, and it is called before there are threads
    // that could allocate meanwhile. Its answer says whether the parameter is known, which changes nothing.
    unsafe {
        libc::mallopt(libc::M_ARENA_MAX, ARENAS_MAX);
    }
}
