//! The only door to the kernel, and the only unsafe code.

pub(crate) mod seccomp;

pub(crate) use nix::errno::Errno;
