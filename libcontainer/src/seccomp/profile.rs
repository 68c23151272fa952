//! The spec's profile, judged and made plain.

use std::ops::Range;

use super::filter::Listener;
use super::known::{DEFAULT_FLAGS, FLAG_NEW_LISTENER, FLAG_WAIT_KILLABLE_RECV, installed_bit};
use super::multiplex::{self, Multiplexed};
use super::names::Call;
use crate::error::Findings;
use crate::spec::oci::{
    LinuxSeccomp, LinuxSeccompAction as Action, LinuxSeccompArg, LinuxSeccompOperator, LinuxSyscall,
};

/// A profile without open questions.
#[derive(Debug)]
pub(super) struct Profile {
    /// The default action, as the filter returns it.
    pub(super) default: u32,
    /// Whether numbers newer than the profile get `ENOSYS`.
    pub(super) refuses_newer: bool,
    /// All rules, in the order of the list.
    pub(super) rules: Vec<Rule>,
    /// All names that some architecture knows, with their rules.
    pub(super) named: Vec<Named>,
    pub(super) flags: u32,
    pub(super) listener: Option<Listener>,
}

/// A name of the profile.
#[derive(Debug)]
pub(super) struct Named {
    pub(super) call: Option<Call>,
    pub(super) multiplexed: Option<Multiplexed>,
    /// Its rules; none where they are equal to the default action.
    pub(super) rules: Range<usize>,
}

/// "When all these conditions hold, do this."
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Rule {
    /// The element of `syscalls` that it came from.
    pub(super) entry: usize,
    /// In the order of their arguments, no two of one argument.
    pub(super) conditions: Vec<Condition>,
    /// What the filter returns.
    pub(super) action: u32,
}

/// A comparison of an argument, `argument & mask OPERATOR value`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Condition {
    pub(super) arg: u8,
    pub(super) operator: Operator,
    /// All ones for all operators but `MaskedEq`.
    pub(super) mask: u64,
    /// Within the mask.
    pub(super) value: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operator {
    Ne,
    Lt,
    Le,
    Eq,
    /// With all bits in the mask it holds for what `Eq` holds for, yet it is another
    /// condition, which the list may have beside it.
    MaskedEq,
    Ge,
    Gt,
}

impl Profile {
    /// Judges the profile. All faults are named, not the first alone.
    pub(super) fn read(spec: &LinuxSeccomp) -> Result<Self, Findings> {
        let mut findings = Findings::new();
        let default = returned(
            spec.default_action(),
            spec.default_errno_ret(),
            || "linux.seccomp.defaultErrnoRet".to_owned(),
            &mut findings,
        );
        if spec.default_action() == Action::ScmpActNotify {
            findings.error(
                "linux.seccomp.defaultAction",
                "SCMP_ACT_NOTIFY cannot be used as default action",
            );
        }
        let mut profile = Self {
            default,
            // TRACE: a tracer answers for calls that it does not know.
            refuses_newer: !matches!(
                spec.default_action(),
                Action::ScmpActAllow | Action::ScmpActLog | Action::ScmpActTrace
            ),
            rules: Vec::new(),
            named: Vec::new(),
            flags: flags(spec),
            listener: None,
        };
        let entries = spec.syscalls().as_deref().unwrap_or_default();
        for (entry, syscall) in entries.iter().enumerate() {
            profile.add(entry, syscall, &mut findings);
        }
        let notifies = entries
            .iter()
            .any(|syscall| syscall.action() == Action::ScmpActNotify);
        profile.listener = listener(spec, notifies, &mut findings);
        if profile.listener.is_some() {
            profile.flags |= FLAG_NEW_LISTENER;
        } else if profile.flags & FLAG_WAIT_KILLABLE_RECV != 0 {
            // It changes how a listener waits, and the kernel refuses it without one.
            log::debug!("seccomp: no rule notifies, WAIT_KILLABLE_RECV is left out");
            profile.flags &= !FLAG_WAIT_KILLABLE_RECV;
        }
        if findings.has_errors() {
            return Err(findings);
        }
        Ok(profile)
    }

    fn add(&mut self, entry: usize, syscall: &LinuxSyscall, findings: &mut Findings) {
        let path = |field: &str| format!("linux.seccomp.syscalls[{entry}].{field}");
        let action = returned(
            syscall.action(),
            syscall.errno_ret(),
            || path("errnoRet"),
            findings,
        );
        let args = syscall.args().as_deref().unwrap_or_default();
        for (number, arg) in args.iter().enumerate() {
            if arg.index() > 5 {
                findings.error(
                    path(&format!("args[{number}].index")),
                    format!("{} is not an argument; a call has 0 to 5", arg.index()),
                );
            }
        }
        let first = self.rules.len();
        if action != self.default {
            self.rules.extend(rules(entry, args, action));
        }
        for (number, name) in syscall.names().iter().enumerate() {
            if name.is_empty() {
                findings.error(path(&format!("names[{number}]")), "a name is empty");
                continue;
            }
            if name == "write" && syscall.action() == Action::ScmpActNotify {
                // The process hands over its listener with this call.
                findings.error(
                    path(&format!("names[{number}]")),
                    "SCMP_ACT_NOTIFY cannot be used for the write syscall",
                );
            }
            let (call, multiplexed) = (Call::named(name), multiplex::place(name));
            if call.is_none() && multiplexed.is_none() {
                log::debug!("seccomp: unknown system call {name:?} is ignored");
                continue;
            }
            self.named.push(Named {
                call,
                multiplexed,
                rules: first..self.rules.len(),
            });
        }
    }
}

/// `linux.seccomp.flags` as they are installed.
pub(super) fn flags(spec: &LinuxSeccomp) -> u32 {
    let flags = spec.flags().as_ref();
    flags.map_or(DEFAULT_FLAGS, |flags| {
        flags
            .iter()
            .fold(0, |bits, flag| bits | installed_bit(*flag))
    })
}

/// Whether a system call of this name is known, on whatever architecture.
pub(crate) fn is_known(name: &str) -> bool {
    Call::named(name).is_some() || multiplex::place(name).is_some()
}

/// What the filter returns for an action.
fn returned(
    action: Action,
    errno: Option<u32>,
    path: impl Fn() -> String,
    findings: &mut Findings,
) -> u32 {
    /// The data of a filter's return value has 16 bits.
    const DATA: u32 = libc::SECCOMP_RET_DATA;
    if let Some(errno) = errno {
        if !matches!(action, Action::ScmpActErrno | Action::ScmpActTrace) {
            findings.error(
                path(),
                format!(
                    "{errno} with {action}: only SCMP_ACT_ERRNO and SCMP_ACT_TRACE return a value"
                ),
            );
            return action.as_u32(None);
        }
        if errno > DATA {
            findings.error(path(), format!("{errno} is larger than {DATA}"));
            return action.as_u32(None);
        }
    }
    action.as_u32(errno)
}

/// One rule, or one a condition where two of them name the same argument.
fn rules(entry: usize, args: &[LinuxSeccompArg], action: u32) -> Vec<Rule> {
    let conditions: Vec<Condition> = args.iter().filter_map(condition).collect();
    let mut sorted = conditions.clone();
    sorted.sort_by_key(|condition| condition.arg);
    let mut seen = [false; 6];
    let repeats = conditions.iter().any(|condition| {
        let seen = seen.get_mut(usize::from(condition.arg));
        seen.is_some_and(|seen| std::mem::replace(seen, true))
    });
    if !repeats {
        return vec![Rule {
            entry,
            conditions: sorted.into_iter().filter(|it| it.mask != 0).collect(),
            action,
        }];
    }
    let rules = conditions.into_iter().map(|condition| Rule {
        entry,
        conditions: if condition.mask == 0 {
            Vec::new()
        } else {
            vec![condition]
        },
        action,
    });
    rules.collect()
}

/// The condition, with `MASKED_EQ`'s value cut to its mask as libseccomp does.
fn condition(arg: &LinuxSeccompArg) -> Option<Condition> {
    let (operator, mask, value) = match arg.op() {
        LinuxSeccompOperator::ScmpCmpNe => (Operator::Ne, u64::MAX, arg.value()),
        LinuxSeccompOperator::ScmpCmpLt => (Operator::Lt, u64::MAX, arg.value()),
        LinuxSeccompOperator::ScmpCmpLe => (Operator::Le, u64::MAX, arg.value()),
        LinuxSeccompOperator::ScmpCmpEq => (Operator::Eq, u64::MAX, arg.value()),
        LinuxSeccompOperator::ScmpCmpGe => (Operator::Ge, u64::MAX, arg.value()),
        LinuxSeccompOperator::ScmpCmpGt => (Operator::Gt, u64::MAX, arg.value()),
        LinuxSeccompOperator::ScmpCmpMaskedEq => {
            let (mask, datum) = (arg.value(), arg.value_two().unwrap_or_default());
            (Operator::MaskedEq, mask, datum & mask)
        }
    };
    Some(Condition {
        arg: u8::try_from(arg.index()).ok()?,
        operator,
        mask,
        value,
    })
}

fn listener(spec: &LinuxSeccomp, notifies: bool, findings: &mut Findings) -> Option<Listener> {
    let path = spec
        .listener_path()
        .as_ref()
        .filter(|path| !path.as_os_str().is_empty());
    let metadata = spec.listener_metadata().as_ref();
    let metadata = metadata.filter(|metadata| !metadata.is_empty());
    let Some(path) = path else {
        if metadata.is_some() {
            findings.error(
                "linux.seccomp.listenerMetadata",
                "it needs linux.seccomp.listenerPath",
            );
        }
        if notifies {
            findings.error(
                "linux.seccomp.listenerPath",
                "seccomp listenerPath is not set, and a rule has SCMP_ACT_NOTIFY",
            );
        }
        return None;
    };
    notifies.then(|| Listener {
        path: path.clone(),
        metadata: metadata.cloned(),
    })
}
