//! Terminals: made in the container, handed to whoever asked, relayed in the
//! foreground.

mod console_socket;
mod host;
mod pty;
mod relay;

pub(crate) use console_socket::ConsoleSocket;
pub(crate) use host::fit;
pub(crate) use pty::Pty;
pub(crate) use relay::{Aside, Foreground, Relay};
