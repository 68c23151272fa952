//! Terminals: the console socket, the foreground relay.

mod foreground;
mod jail;
mod odd;
mod socket;

pub(super) fn tests() -> Vec<super::Test> {
    [
        socket::tests(),
        foreground::tests(),
        jail::tests(),
        odd::tests(),
    ]
    .concat()
}
