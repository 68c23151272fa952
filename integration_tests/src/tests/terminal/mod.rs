//! Terminals: the console socket, the foreground relay.

mod foreground;
mod socket;

pub(super) fn tests() -> Vec<super::Test> {
    [socket::tests(), foreground::tests()].concat()
}
