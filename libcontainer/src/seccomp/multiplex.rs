//! `socketcall` and `ipc`: many calls behind one number.
//!
//! Some ABIs reach the socket and System V calls through a multiplexer whose
//! first argument is the call; the arguments of the call itself lie in memory,
//! where no filter can see them. A rule for `socket` is therefore also a rule
//! for `socketcall(SYS_SOCKET, …)`:
//!
//! - a rule without conditions applies as it is;
//! - a rule with conditions that lets more through than the default action does
//!   not apply: it would let everything through;
//! - a rule with conditions that lets no more through than the default action
//!   applies without its conditions: they cannot be checked.
//!
//! libseccomp applies the conditions to the multiplexer's own arguments in both
//! cases, which are other values. A rule without conditions for `socketcall` or
//! `ipc` itself goes before all of this.

use super::profile::{Condition, Operator, Profile};

/// A multiplexer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Multiplexer {
    /// `socketcall`.
    Socket,
    /// `ipc`.
    Ipc,
}

/// A call behind a multiplexer: which, and the number that it has there
/// (<linux/net.h>, <linux/ipc.h>).
pub(super) type Multiplexed = (Multiplexer, u8);

impl Multiplexer {
    pub(super) const ALL: [(Self, &'static str); 2] =
        [(Self::Socket, "socketcall"), (Self::Ipc, "ipc")];

    /// "The first argument is `call`."
    fn condition(self, call: u8) -> Condition {
        let (operator, mask) = match self {
            Self::Socket => (Operator::Eq, u64::MAX),
            // The kernel takes a version from the upper half.
            Self::Ipc => (Operator::MaskedEq, 0xffff),
        };
        Condition {
            arg: 0,
            operator,
            mask,
            value: u64::from(call),
        }
    }
}

/// What the profile's rules for the calls behind a multiplexer mean for it:
/// a condition on its first argument and an action, one a call.
pub(super) fn rules(profile: &Profile, multiplexer: Multiplexer) -> Vec<(Condition, u32)> {
    let mut found: Vec<(u8, bool, u32)> = Vec::new();
    for named in &profile.named {
        let Some((_, call)) = named.multiplexed.filter(|(of, _)| *of == multiplexer) else {
            continue;
        };
        for rule in profile.rules.get(named.rules.clone()).unwrap_or_default() {
            let conditional = !rule.conditions.is_empty();
            if conditional && strictness(rule.action) > strictness(profile.default) {
                continue;
            }
            match found.iter_mut().find(|(of, ..)| *of == call) {
                None => found.push((call, conditional, rule.action)),
                // Without conditions: the first in the list, over all with.
                Some((_, false, _)) => {}
                Some(known) if !conditional => *known = (call, false, rule.action),
                Some((_, _, action)) => {
                    if strictness(rule.action) < strictness(*action) {
                        *action = rule.action;
                    }
                }
            }
        }
    }
    let rules = found.into_iter();
    rules
        .map(|(call, _, action)| (multiplexer.condition(call), action))
        .collect()
}

/// The kernel's order of actions: the smaller as a signed value, the stricter.
fn strictness(action: u32) -> i32 {
    (action & libc::SECCOMP_RET_ACTION_FULL).cast_signed()
}

/// The call's place behind a multiplexer.
pub(super) fn place(name: &str) -> Option<Multiplexed> {
    let socket = |call| Some((Multiplexer::Socket, call));
    let ipc = |call| Some((Multiplexer::Ipc, call));
    match name {
        "socket" => socket(1),
        "bind" => socket(2),
        "connect" => socket(3),
        "listen" => socket(4),
        "accept" => socket(5),
        "getsockname" => socket(6),
        "getpeername" => socket(7),
        "socketpair" => socket(8),
        "send" => socket(9),
        "recv" => socket(10),
        "sendto" => socket(11),
        "recvfrom" => socket(12),
        "shutdown" => socket(13),
        "setsockopt" => socket(14),
        "getsockopt" => socket(15),
        "sendmsg" => socket(16),
        "recvmsg" => socket(17),
        "accept4" => socket(18),
        "recvmmsg" => socket(19),
        "sendmmsg" => socket(20),
        "semop" => ipc(1),
        "semget" => ipc(2),
        "semctl" => ipc(3),
        "semtimedop" => ipc(4),
        "msgsnd" => ipc(11),
        "msgrcv" => ipc(12),
        "msgget" => ipc(13),
        "msgctl" => ipc(14),
        "shmat" => ipc(21),
        "shmdt" => ipc(22),
        "shmget" => ipc(23),
        "shmctl" => ipc(24),
        _ => None,
    }
}
