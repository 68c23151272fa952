//! What a profile means, the long way: every rule is looked at for every call.

use super::interpreter::Data;
use crate::seccomp::{Arch, names::Call};
use crate::spec::oci::{
    LinuxSeccomp, LinuxSeccompAction, LinuxSeccompArg, LinuxSeccompOperator as Op,
};

/// One of the rules for a call.
struct Rule {
    args: Vec<LinuxSeccompArg>,
    action: u32,
}

pub(in crate::seccomp) fn answer(spec: &LinuxSeccomp, native: Arch, data: &Data) -> u32 {
    let mut archs = vec![native];
    for arch in spec.architectures().iter().flatten() {
        archs.push(Arch::from_spec(*arch, native));
    }
    let x32 = data.number >= 1 << 30;
    // -1, by which tracers skip a call, is x86-64's only where x32 is not in the profile.
    let skipped = data.number == u32::MAX && !archs.contains(&Arch::X32);
    let arch = archs.into_iter().find(|arch| match arch {
        Arch::X86_64 => data.arch == arch.audit() && (!x32 || skipped),
        Arch::X32 => data.arch == arch.audit() && x32,
        _ => data.arch == arch.audit(),
    });
    let Some(arch) = arch else {
        return super::KILL;
    };
    let default = value(spec.default_action(), spec.default_errno_ret());
    let (mut rules, mut newest, mut named) = (Vec::new(), None, false);
    for syscall in spec.syscalls().iter().flatten() {
        for name in syscall.names() {
            let Some(number) = Call::named(name).and_then(|call| call.number(arch)) else {
                continue;
            };
            if number != 0 && number & 0x3fff_ffff < 0xf0000 {
                newest = newest.max(Some(number & 0x3fff_ffff));
            }
            named |= number == data.number;
            let action = value(syscall.action(), syscall.errno_ret());
            if number != data.number || action == default {
                continue;
            }
            let args = syscall.args().clone().unwrap_or_default();
            let twice = (0..6).any(|at| args.iter().filter(|arg| arg.index() == at).count() > 1);
            if twice {
                let each = args.into_iter().map(|arg| Rule {
                    args: vec![arg],
                    action,
                });
                rules.extend(each);
            } else {
                rules.push(Rule { args, action });
            }
        }
    }
    let refuses = !matches!(
        spec.default_action(),
        LinuxSeccompAction::ScmpActAllow
            | LinuxSeccompAction::ScmpActLog
            | LinuxSeccompAction::ScmpActTrace
    );
    if rules.is_empty() {
        let number = if arch == Arch::X32 {
            data.number - (1 << 30)
        } else {
            data.number
        };
        let multiplexed = matches!(arch, Arch::S390x | Arch::S390) && number == 0;
        let newer = newest.is_some_and(|newest| number > newest || multiplexed);
        return if refuses && newer && !named {
            super::ENOSYS
        } else {
            default
        };
    }
    let wide = arch.layout().wide;
    let kept = |arg: &&LinuxSeccompArg| mask(arg, wide) != 0;
    if let Some(rule) = rules
        .iter()
        .find(|rule| rule.args.iter().filter(kept).count() == 0)
    {
        return rule.action;
    }
    let holding = rules
        .iter()
        .filter(|rule| rule.args.iter().all(|arg| holds(arg, data, wide)));
    let best = holding.min_by_key(|rule| rank(&rules, &words(&rule.args, wide), wide));
    best.map_or(default, |rule| rule.action)
}

fn value(action: LinuxSeccompAction, errno: Option<u32>) -> u32 {
    action.as_u32(errno)
}

fn mask(arg: &LinuxSeccompArg, wide: bool) -> u64 {
    let mask = match arg.op() {
        Op::ScmpCmpMaskedEq => arg.value(),
        _ => u64::MAX,
    };
    if wide { mask } else { mask & 0xffff_ffff }
}

fn datum(arg: &LinuxSeccompArg, wide: bool) -> u64 {
    let datum = match arg.op() {
        Op::ScmpCmpMaskedEq => arg.value_two().unwrap_or_default(),
        _ => arg.value(),
    };
    datum & mask(arg, wide)
}

fn holds(arg: &LinuxSeccompArg, data: &Data, wide: bool) -> bool {
    let word = data.args[arg.index()] & mask(arg, wide);
    let datum = datum(arg, wide);
    match arg.op() {
        Op::ScmpCmpNe => word != datum,
        Op::ScmpCmpLt => word < datum,
        Op::ScmpCmpLe => word <= datum,
        Op::ScmpCmpEq | Op::ScmpCmpMaskedEq => word == datum,
        Op::ScmpCmpGe => word >= datum,
        Op::ScmpCmpGt => word > datum,
    }
}

/// Argument, class, value, and how the value is asked for, of one half.
type Word = (usize, u8, u32, (bool, u32, bool));

/// The halves that are compared, in their order.
fn words(args: &[LinuxSeccompArg], wide: bool) -> Vec<Word> {
    let mut args: Vec<_> = args.iter().filter(|arg| mask(arg, wide) != 0).collect();
    args.sort_by_key(|arg| arg.index());
    let mut words = Vec::new();
    for arg in args {
        let (class, above) = match arg.op() {
            Op::ScmpCmpEq | Op::ScmpCmpMaskedEq | Op::ScmpCmpNe => (0, false),
            Op::ScmpCmpLt => (1, false),
            Op::ScmpCmpLe => (1, true),
            Op::ScmpCmpGe => (2, false),
            Op::ScmpCmpGt => (2, true),
        };
        let masked = arg.op() == Op::ScmpCmpMaskedEq;
        for shift in if wide { vec![32, 0] } else { vec![0] } {
            let half = |word: u64| u32::try_from(word >> shift & 0xffff_ffff).unwrap();
            let value = half(datum(arg, wide));
            let asked = (masked, half(mask(arg, wide)), above && shift == 0);
            words.push((arg.index(), class, value, asked));
        }
    }
    words
}

/// The table of the module's page, as a key to sort by. A key that ends sorts
/// before one that goes on.
fn rank(rules: &[Rule], of: &[Word], wide: bool) -> Vec<(usize, u8, u32, usize)> {
    let key = of.iter().enumerate().map(|(depth, word)| {
        let (arg, class, value, _) = *word;
        let first = rules
            .iter()
            .position(|rule| words(&rule.args, wide).starts_with(&of[..=depth]));
        let value = if class == 1 { value } else { !value };
        (5 - arg, class, value, first.unwrap())
    });
    key.collect()
}
