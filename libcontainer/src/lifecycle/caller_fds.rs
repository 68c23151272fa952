//! Descriptors that the caller gives to the container's process: those of socket
//! activation, then those that it asks to keep.

use std::os::fd::RawFd;

use crate::error::{Error, ErrorKind};
use crate::sys::fd;

/// How many of each, from 3 on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct CallerFds {
    pub(super) listen: u32,
    pub(super) preserve: u32,
}

impl CallerFds {
    /// Checks that each of them is the caller's: one of our own must never get
    /// in (it closes on exec, the caller's do not).
    pub(super) fn check(listens: bool, preserve: u32) -> Result<Self, Error> {
        let listen = if listens { listen_fds() } else { 0 };
        let fds = Self { listen, preserve };
        // A caller's promise of sockets is passed on as it is; one that is not
        // there is the program's to miss.
        if let Err(error) = every_open("listen", 0, listen) {
            log::warn!("LISTEN_FDS: {error}");
        }
        every_open("preserved", listen, preserve)?;
        Ok(fds)
    }
}

fn every_open(what: &str, before: u32, count: u32) -> Result<(), Error> {
    for offset in 0..count {
        let number = i64::from(before) + i64::from(offset) + 3;
        if RawFd::try_from(number).is_ok_and(fd::is_inherited) {
            continue;
        }
        return Err(Error::new(
            ErrorKind::InvalidConfig,
            format!("unable to stat {what}-fd {number} (of {count}): it is not open"),
        )
        .with_advice("open it before the call, or ask for fewer"));
    }
    Ok(())
}

/// LISTEN_FDS, when it is meant for us (sd_listen_fds(3)).
fn listen_fds() -> u32 {
    let number = |name| {
        std::env::var(name)
            .ok()
            .and_then(|text| text.parse::<u32>().ok())
    };
    match (number("LISTEN_FDS"), std::env::var_os("LISTEN_PID")) {
        (Some(count), None) => count,
        (Some(count), Some(_)) if number("LISTEN_PID") == Some(std::process::id()) => count,
        _ => 0,
    }
}
