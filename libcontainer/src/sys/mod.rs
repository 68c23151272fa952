//! The only door to the kernel, and the only unsafe code.
#![expect(unsafe_code, reason = "the kernel is spoken to here, and nowhere else")]

pub(crate) mod bpf;
pub(crate) mod kill;
pub(crate) mod openat2;
pub(crate) mod small_file;

pub(crate) use nix::errno::Errno;
