//! Returns the memory of replaced commits to the system.
//!
//! The nodes of a commit are created while those of the previous one are still served, so a server
//! needs memory for two. glibc keeps freed memory for the threads that freed it; without this, the
//! server would occupy both amounts permanently.

#[cfg(all(target_os = "linux", target_env = "gnu"))]
mod glibc {
    use std::ffi::c_int;

    #[expect(unsafe_code, reason = "neither std nor rustix has it; any argument is allowed, from any thread")]
    unsafe extern "C" {
        /// Returns free memory to the system, except `pad` bytes at the end of the heap.
        pub safe fn malloc_trim(pad: usize) -> c_int;
    }
}

/// Returns the free pages of this process to the system. This takes some milliseconds if there are
/// many, in which other threads may wait to allocate.
pub fn give_back() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    glibc::malloc_trim(0);
}
