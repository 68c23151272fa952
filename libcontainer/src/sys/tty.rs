//! Terminals.

use std::os::fd::{BorrowedFd, OwnedFd};

use super::call::Call;
use super::{Result, fd};

/// TIOCGPTPEER, Linux 4.13: the terminal of a pty master, found through the
/// master alone and never by a name that another process may have replaced.
pub(crate) fn peer(master: BorrowedFd<'_>) -> Result<OwnedFd> {
    let flags = libc::O_RDWR | libc::O_NOCTTY | libc::O_CLOEXEC;
    Ok(fd::own(
        Call::Ioctl(master, libc::TIOCGPTPEER as _, flags).make()?,
    ))
}

/// TIOCSPTLCK: unlocks the terminal of a master.
pub(crate) fn unlock(master: BorrowedFd<'_>) -> Result<()> {
    Call::IoctlReads(master, libc::TIOCSPTLCK as _, &0).make()?;
    Ok(())
}

/// TIOCGPTN: the number of a master's terminal.
pub(crate) fn number(master: BorrowedFd<'_>) -> Result<u32> {
    let mut number: libc::c_uint = 0;
    Call::IoctlWrites(master, libc::TIOCGPTN as _, &mut number).make()?;
    Ok(number)
}

/// TIOCSCTTY: makes it the controlling terminal of the session.
pub(crate) fn set_controlling(terminal: BorrowedFd<'_>) -> Result<()> {
    Call::Ioctl(terminal, libc::TIOCSCTTY as _, 0).make()?;
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
    Call::IoctlGetSize(terminal, &mut size).make()?;
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
    Call::IoctlSetSize(terminal, &size).make()?;
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
