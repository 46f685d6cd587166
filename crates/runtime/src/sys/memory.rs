//! How much memory this process keeps: for its threads, after a busy moment, and of its own program.

use std::ffi::c_void;

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

/// Gives freed heap pages back to the kernel: a process lives long after its busy moments.
pub fn trim_heap() {
    #[cfg(target_env = "gnu")]
    // SAFETY: malloc_trim is always safe to call.
    unsafe {
        libc::malloc_trim(0);
    }
}

/// Gives the pages of the program back that were touched so far: most of them were needed for the start only. Whatever
/// is needed again comes from the page cache, without the disk.
pub fn forget_start() {
    // SAFETY: the callback keeps nothing that it is given, does not unwind, and changes no byte of the program: what it
    // drops the kernel reads anew (see there).
    unsafe { libc::dl_iterate_phdr(Some(forget_program), std::ptr::null_mut()) };
}

/// Forgets the pages of one object, and stops: the first one is the program itself, the others are libraries that all
/// processes share.
unsafe extern "C" fn forget_program(
    object: *mut libc::dl_phdr_info,
    _size: libc::size_t,
    _data: *mut c_void,
) -> libc::c_int {
    // SAFETY: the loader hands over a valid description for the time of the call, whose headers are those of a mapped
    // object: there are as many as it says, and never at null.
    let (base, headers) = unsafe {
        let object = &*object;
        let count = usize::from(object.dlpi_phnum);
        (object.dlpi_addr as usize, std::slice::from_raw_parts(object.dlpi_phdr, count))
    };
    let page = rustix::param::page_size();
    for header in headers {
        if header.p_type != libc::PT_LOAD || header.p_flags & libc::PF_W != 0 {
            continue;
        }
        let start = base + header.p_vaddr as usize;
        // A page that the segment shares with the next one is left alone.
        let (first, end) = (start.next_multiple_of(page), (start + header.p_memsz as usize) / page * page);
        let Some(len) = end.checked_sub(first) else { continue };
        // SAFETY: a segment that is mapped privately from the program's file and, as it is not writable, has no pages of
        // its own. The kernel reads its pages anew from the file, which cannot be written to while it runs, whenever
        // somebody touches them. Where it refuses, they stay, which costs memory and nothing else.
        unsafe { libc::madvise(std::ptr::with_exposed_provenance_mut(first), len, libc::MADV_DONTNEED) };
    }
    1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_forgot_its_start_goes_on() {
        let resident = || {
            let text = std::fs::read_to_string("/proc/self/status").expect("the kernel's account");
            let line = text.lines().find(|line| line.starts_with("RssFile:")).expect("a line");
            line.split_whitespace().nth(1).and_then(|kib| kib.parse::<u64>().ok()).expect("a number")
        };
        let before = resident();
        forget_start();
        let after = resident();
        assert!(after < before, "{before} KiB before, {after} KiB after");
    }
}
