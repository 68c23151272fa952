//! Terminals.

use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};

use super::{Result, check, fd};

/// TIOCGPTPEER, Linux 4.13: the terminal of a pty master, found through the
/// master alone and never by a name that another process may have replaced.
pub(crate) fn peer(master: BorrowedFd<'_>) -> Result<OwnedFd> {
    let flags = libc::O_RDWR | libc::O_NOCTTY | libc::O_CLOEXEC;
    // SAFETY: the request takes open flags and returns a descriptor.
    let returned =
        check(unsafe { libc::ioctl(master.as_raw_fd(), libc::TIOCGPTPEER as _, flags) }.into())?;
    Ok(fd::own(returned))
}

/// TIOCSPTLCK: unlocks the terminal of a master.
pub(crate) fn unlock(master: BorrowedFd<'_>) -> Result<()> {
    let zero: libc::c_int = 0;
    // SAFETY: the request reads one int.
    let returned =
        unsafe { libc::ioctl(master.as_raw_fd(), libc::TIOCSPTLCK as _, &raw const zero) };
    check(returned.into())?;
    Ok(())
}

/// TIOCGPTN: the number of a master's terminal.
pub(crate) fn number(master: BorrowedFd<'_>) -> Result<u32> {
    let mut number: libc::c_uint = 0;
    // SAFETY: the request writes one int.
    let returned = unsafe { libc::ioctl(master.as_raw_fd(), libc::TIOCGPTN as _, &raw mut number) };
    check(returned.into())?;
    Ok(number)
}

/// TIOCSCTTY: makes it the controlling terminal of the session.
pub(crate) fn set_controlling(terminal: BorrowedFd<'_>) -> Result<()> {
    // SAFETY: the request takes a number.
    let returned = unsafe { libc::ioctl(terminal.as_raw_fd(), libc::TIOCSCTTY as _, 0) };
    check(returned.into())?;
    Ok(())
}

/// Rows and columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Size {
    pub(crate) rows: u16,
    pub(crate) columns: u16,
}

/// TIOCGWINSZ.
pub(crate) fn size(terminal: BorrowedFd<'_>) -> Result<Size> {
    let mut size = empty_size();
    // SAFETY: the request writes the structure.
    let returned =
        unsafe { libc::ioctl(terminal.as_raw_fd(), libc::TIOCGWINSZ as _, &raw mut size) };
    check(returned.into())?;
    Ok(Size {
        rows: size.ws_row,
        columns: size.ws_col,
    })
}

/// TIOCSWINSZ.
pub(crate) fn set_size(terminal: BorrowedFd<'_>, to: Size) -> Result<()> {
    let mut size = empty_size();
    size.ws_row = to.rows;
    size.ws_col = to.columns;
    // SAFETY: the request reads the structure.
    let returned =
        unsafe { libc::ioctl(terminal.as_raw_fd(), libc::TIOCSWINSZ as _, &raw const size) };
    check(returned.into())?;
    Ok(())
}

fn empty_size() -> libc::winsize {
    libc::winsize {
        ws_row: 0,
        ws_col: 0,
        ws_xpixel: 0,
        ws_ypixel: 0,
    }
}
