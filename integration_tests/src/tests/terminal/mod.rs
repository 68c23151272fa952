//! Terminals: the console socket, the foreground relay.

mod foreground;
mod odd;
mod socket;

pub(super) fn tests() -> Vec<super::Test> {
    [socket::tests(), foreground::tests(), odd::tests()].concat()
}
