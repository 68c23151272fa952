//! The only door to the kernel, and the only unsafe code.
pub(crate) use nix::errno::Errno;
