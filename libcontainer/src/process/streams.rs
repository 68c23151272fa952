//! The standard streams of a program that has just been started.

use std::os::fd::{AsFd, IntoRawFd};

use nix::fcntl::OFlag;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::stat::Mode;

use crate::sys::open::open;
use crate::sys::{fd, process};

/// Opens those of the standard streams that are closed on /dev/null, and ignores
/// SIGPIPE. The standard library's start-up does this for every program that has
/// it; for one without.
pub fn secure_standard_streams() {
    process::ignore_broken_pipes();
    let streams = [0, 1, 2].map(fd::standing);
    let mut polled = streams
        .each_ref()
        .map(|it| PollFd::new(it.as_fd(), PollFlags::empty()));
    if poll(&mut polled, PollTimeout::ZERO) == Ok(0) {
        return;
    }
    for stream in polled {
        if stream
            .revents()
            .is_some_and(|events| events.contains(PollFlags::POLLNVAL))
        {
            // The lowest number that is free: this one.
            if let Ok(null) = open("/dev/null", OFlag::O_RDWR, Mode::empty()) {
                let _ = null.into_raw_fd();
            }
        }
    }
}
