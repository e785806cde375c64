//! Memory that a commit leaves behind goes back to the system.
//!
//! The nodes of one commit are made while those of the one before are still served, so a server that follows commits needs
//! memory for two. glibc keeps what is freed for the threads that freed it; without this, it would need that for good.

#[cfg(all(target_os = "linux", target_env = "gnu"))]
mod glibc {
    use std::ffi::c_int;

    #[expect(unsafe_code, reason = "neither std nor rustix has it; any argument is allowed, from any thread")]
    unsafe extern "C" {
        /// Returns free memory to the system, all but so many bytes at the end of the heap.
        pub safe fn malloc_trim(pad: usize) -> c_int;
    }
}

/// Returns to the system what is free of the pages that this process has. It takes some milliseconds if that is much, in
/// which other threads may wait to allocate.
pub fn give_back() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    glibc::malloc_trim(0);
}
