//! The process: one judgement for the container's own and for those that join.

use std::collections::HashMap;
use std::path::Path;

use super::types::{
    IoPriority, MemoryPolicy, ProcessPlan, RlimitPlan, SchedulerPlan, TerminalPlan, UserPlan,
};
use crate::error::Findings;
use crate::idmap::IdMaps;
use crate::security::{capabilities, lsm};
use crate::spec::oci::{
    ExecCPUAffinity, IOPriorityClass, LinuxMemoryPolicy, LinuxPersonality, LinuxPersonalityDomain,
    LinuxSchedulerFlag, LinuxSchedulerPolicy, MemoryPolicyFlagType, MemoryPolicyModeType, Process,
    Scheduler,
};

/// What a process is judged by.
#[derive(Debug)]
pub(crate) struct ProcessFacts<'a> {
    /// Where its fields are, `process` or empty for a document of its own.
    pub(crate) field: &'a str,
    /// The maps of the container's own user namespace.
    pub(crate) id_maps: Option<&'a IdMaps>,
    /// The execution domain.
    pub(crate) personality: Option<u32>,
    /// Where memory comes from.
    pub(crate) memory_policy: Option<MemoryPolicy>,
    /// Descriptors from 3 on that it keeps: of socket activation, then of the
    /// caller.
    pub(crate) listen_fds: u32,
    pub(crate) preserve_fds: u32,
    /// The caller's supplementary groups stay.
    pub(crate) keeps_groups: bool,
    /// A process that joins: its processors are its own matter.
    pub(crate) joins: bool,
}

/// Judges a process.
pub(crate) fn process(
    process: &Process,
    facts: &ProcessFacts<'_>,
    findings: &mut Findings,
) -> ProcessPlan {
    let field = |name: &str| {
        if facts.field.is_empty() {
            name.to_owned()
        } else {
            format!("{}.{name}", facts.field)
        }
    };
    let args = process.args().clone().unwrap_or_default();
    if args.is_empty() {
        findings.error(field("args"), "must not be empty");
    }
    let cwd = process.cwd();
    if !cwd.is_absolute() {
        findings.error(
            field("cwd"),
            format!("{} is not an absolute path", quoted(cwd)),
        );
    }
    if let Some(arg) = args.iter().find(|arg| arg.contains('\0')) {
        findings.error(field("args"), format!("{arg:?} contains a NUL byte"));
    }
    let (initial_affinity, final_affinity) = if facts.joins {
        affinities(
            process.exec_cpu_affinity().as_ref(),
            &field("execCPUAffinity"),
            findings,
        )
    } else {
        (None, None)
    };
    ProcessPlan {
        env: environment(process, facts, &field("env"), findings),
        args,
        cwd: cwd.clone(),
        user: user(process, facts, &field("user"), findings),
        capabilities: capabilities::plan(process.capabilities().as_ref()),
        no_new_privileges: process.no_new_privileges().unwrap_or_default(),
        oom_score_adj: oom_score_adj(process, &field("oomScoreAdj"), findings),
        rlimits: rlimits(process, &field("rlimits"), findings),
        terminal: terminal(process, &field("consoleSize"), findings),
        apparmor: label(
            process.apparmor_profile().as_ref(),
            &field("apparmorProfile"),
            ("AppArmor", lsm::apparmor_enabled),
            findings,
        ),
        selinux: label(
            process.selinux_label().as_ref(),
            &field("selinuxLabel"),
            ("SELinux", lsm::selinux_enabled),
            findings,
        ),
        scheduler: process
            .scheduler()
            .as_ref()
            .map(|asked| scheduler(asked, &field("scheduler"), findings)),
        io_priority: io_priority(process, &field("ioPriority"), findings),
        personality: facts.personality,
        memory_policy: facts.memory_policy.clone(),
        initial_affinity,
        final_affinity,
        kept_fds: facts.listen_fds.saturating_add(facts.preserve_fds),
    }
}

fn quoted(path: &Path) -> String {
    format!("{:?}", path.to_string_lossy())
}

/// The environment with each variable once, the last value at the first place.
fn environment(
    process: &Process,
    facts: &ProcessFacts<'_>,
    field: &str,
    findings: &mut Findings,
) -> Vec<String> {
    let mut variables: Vec<String> = Vec::new();
    let mut places: HashMap<&str, usize> = HashMap::new();
    let listen = [
        format!("LISTEN_FDS={}", facts.listen_fds),
        "LISTEN_PID=1".to_owned(),
    ];
    let listen: &[String] = if facts.listen_fds > 0 { &listen } else { &[] };
    let given = process.env().as_deref().unwrap_or_default();
    for (index, variable) in given.iter().chain(listen).enumerate() {
        // A leading "=" is part of the name, as it is to Go.
        let name = variable
            .char_indices()
            .find(|(at, letter)| *at > 0 && *letter == '=')
            .and_then(|(at, _)| variable.get(..at));
        let Some(name) = name else {
            findings.error(
                format!("{field}[{index}]"),
                format!(
                    "invalid environment variable: {:?} has no '='",
                    name_only(variable)
                ),
            );
            continue;
        };
        if variable.contains('\0') {
            findings.error(
                format!("{field}[{index}]"),
                format!("{name:?} contains a NUL byte"),
            );
            continue;
        }
        let place = *places.entry(name).or_insert(variables.len());
        match variables.get_mut(place) {
            Some(known) => known.clone_from(variable),
            None => variables.push(variable.clone()),
        }
    }
    variables
}

/// Never the value of a variable in a message.
fn name_only(variable: &str) -> &str {
    variable.split('=').next().unwrap_or_default()
}

fn user(
    process: &Process,
    facts: &ProcessFacts<'_>,
    field: &str,
    findings: &mut Findings,
) -> UserPlan {
    let asked = process.user();
    let groups = asked.additional_gids().clone().unwrap_or_default();
    // The kernel takes -1 for "leave it as it is" (setresuid(2)): root's.
    let no_id = |id: u32| id == u32::MAX;
    for (name, bad) in [
        ("uid", no_id(asked.uid())),
        ("gid", no_id(asked.gid())),
        ("additionalGids", groups.iter().copied().any(no_id)),
    ] {
        if bad {
            findings.error(
                format!("{field}.{name}"),
                "4294967295 is no id: the highest is 4294967294",
            );
        }
    }
    if let Some(maps) = facts.id_maps {
        if maps.outside_user(asked.uid()).is_none() {
            findings.error(
                format!("{field}.uid"),
                format!("user {} is not mapped in the user namespace", asked.uid()),
            );
        }
        for gid in [asked.gid()].iter().chain(&groups) {
            if maps.outside_group(*gid).is_none() {
                findings.error(
                    format!("{field}.gid"),
                    format!("group {gid} is not mapped in the user namespace"),
                );
            }
        }
    }
    UserPlan {
        uid: asked.uid(),
        gid: asked.gid(),
        groups,
        keeps_groups: facts.keeps_groups,
        umask: asked.umask(),
    }
}

fn oom_score_adj(process: &Process, field: &str, findings: &mut Findings) -> Option<i32> {
    let score = process.oom_score_adj()?;
    if !(-1000..=1000).contains(&score) {
        findings.error(field, format!("{score} is not from -1000 to 1000"));
    }
    Some(score)
}

fn rlimits(process: &Process, field: &str, findings: &mut Findings) -> Vec<RlimitPlan> {
    let mut plans: Vec<RlimitPlan> = Vec::new();
    for (index, limit) in process.rlimits().iter().flatten().enumerate() {
        let plan = RlimitPlan {
            resource: limit.typ(),
            soft: limit.soft(),
            hard: limit.hard(),
        };
        if plans.iter().any(|known| known.resource == plan.resource) {
            findings.error(
                format!("{field}[{index}].type"),
                format!("duplicate rlimit {}", limit.typ()),
            );
        }
        if plan.soft > plan.hard {
            findings.error(
                format!("{field}[{index}]"),
                format!(
                    "soft limit {} of {} is above the hard limit {}",
                    plan.soft,
                    limit.typ(),
                    plan.hard
                ),
            );
        }
        plans.push(plan);
    }
    plans
}

fn terminal(process: &Process, field: &str, findings: &mut Findings) -> Option<TerminalPlan> {
    if !process.terminal().unwrap_or_default() {
        return None;
    }
    let size = process.console_size().as_ref().and_then(|size| {
        if size.height() == 0 && size.width() == 0 {
            return None;
        }
        let fits = (u16::try_from(size.height()), u16::try_from(size.width()));
        if let (Ok(rows), Ok(columns)) = fits {
            return Some((rows, columns));
        }
        findings.error(field, "a size does not fit in 16 bits");
        None
    });
    Some(TerminalPlan { size })
}

/// A label, never silently left out: a host without its security module cannot give it.
pub(super) fn label(
    asked: Option<&String>,
    field: &str,
    (module, enabled): (&str, fn() -> bool),
    findings: &mut Findings,
) -> Option<String> {
    let asked = asked.filter(|label| !label.is_empty())?;
    if !enabled() {
        findings.error(
            field,
            format!("{asked:?} cannot be applied: {module} is not enabled on this host"),
        );
    }
    Some(asked.clone())
}

fn scheduler(asked: &Scheduler, field: &str, findings: &mut Findings) -> SchedulerPlan {
    let nice = asked.nice().unwrap_or_default();
    let priority = asked.priority().unwrap_or_default();
    let policy = match asked.policy() {
        LinuxSchedulerPolicy::SchedOther => 0,
        LinuxSchedulerPolicy::SchedFifo => 1,
        LinuxSchedulerPolicy::SchedRr => 2,
        LinuxSchedulerPolicy::SchedBatch => 3,
        LinuxSchedulerPolicy::SchedIso => 4,
        LinuxSchedulerPolicy::SchedIdle => 5,
        LinuxSchedulerPolicy::SchedDeadline => 6,
    };
    // Other policies than the time-sharing ones ignore it (sched_setattr(2)).
    if !(-20..=19).contains(&nice) {
        findings.error(
            format!("{field}.nice"),
            format!("invalid scheduler.nice: {nice}"),
        );
    }
    if priority != 0 && !matches!(policy, 1 | 2) {
        findings.error(
            format!("{field}.priority"),
            "scheduler.priority can only be specified for SchedFIFO or SchedRR policy",
        );
    }
    let timed = [asked.runtime(), asked.deadline(), asked.period()];
    if policy != 6 && timed.iter().any(|time| time.is_some_and(|time| time != 0)) {
        findings.error(
            field,
            "scheduler runtime/deadline/period can only be specified for SchedDeadline policy",
        );
    }
    if policy == 6 {
        deadline(asked, field, findings);
    }
    let flags = asked.flags().iter().flatten().fold(0, |flags, flag| {
        flags
            | match flag {
                LinuxSchedulerFlag::SchedResetOnFork => 0x01,
                LinuxSchedulerFlag::SchedFlagReclaim => 0x02,
                LinuxSchedulerFlag::SchedFlagDLOverrun => 0x04,
                LinuxSchedulerFlag::SchedFlagKeepPolicy => 0x08,
                LinuxSchedulerFlag::SchedFlagKeepParams => 0x10,
                LinuxSchedulerFlag::SchedFlagUtilClampMin => 0x20,
                LinuxSchedulerFlag::SchedFlagUtilClampMax => 0x40,
            }
    });
    SchedulerPlan {
        policy,
        flags,
        nice,
        priority: u32::try_from(priority).unwrap_or_default(),
        runtime: asked.runtime().unwrap_or_default(),
        deadline: asked.deadline().unwrap_or_default(),
        period: asked.period().unwrap_or_default(),
    }
}

/// What the kernel refuses with no more than EINVAL (sched(7), "Deadline
/// scheduling"); how short and long a period may be is the host's to say.
fn deadline(asked: &Scheduler, field: &str, findings: &mut Findings) {
    /// Times have a resolution of this many nanoseconds.
    const SHORTEST: u64 = 1024;
    let runtime = asked.runtime().unwrap_or_default();
    let deadline = asked.deadline().unwrap_or_default();
    let period = asked.period().unwrap_or_default();
    let mut wrong = |name: &str, reason: String| {
        findings.error(format!("{field}.{name}"), reason);
    };
    if runtime < SHORTEST {
        wrong(
            "runtime",
            format!("{runtime}: SCHED_DEADLINE requires a runtime of {SHORTEST} ns or more"),
        );
    }
    if deadline == 0 {
        wrong(
            "deadline",
            "missing: SCHED_DEADLINE requires a deadline".to_owned(),
        );
    } else if runtime > deadline {
        wrong(
            "runtime",
            format!("{runtime} is beyond the deadline, {deadline}"),
        );
    }
    if period != 0 && deadline > period {
        wrong(
            "deadline",
            format!("{deadline} is beyond the period, {period}"),
        );
    }
}

fn io_priority(process: &Process, field: &str, findings: &mut Findings) -> Option<IoPriority> {
    let asked = process.io_priority().as_ref()?;
    let class = match asked.class() {
        IOPriorityClass::IoprioClassRt => 1,
        IOPriorityClass::IoprioClassBe => 2,
        IOPriorityClass::IoprioClassIdle => 3,
    };
    let level = u32::try_from(asked.priority())
        .ok()
        .filter(|level| *level <= 7);
    if level.is_none() {
        findings.error(
            format!("{field}.priority"),
            format!("{} is not from 0 to 7", asked.priority()),
        );
    }
    Some(IoPriority {
        class,
        level: level.unwrap_or_default(),
    })
}

/// The execution domain of `linux.personality`.
pub(super) fn personality(asked: &LinuxPersonality, findings: &mut Findings) -> u32 {
    if asked
        .flags()
        .as_ref()
        .is_some_and(|flags| !flags.is_empty())
    {
        findings.warning("linux.personality.flags", "ignored: no flags are known");
    }
    match asked.domain() {
        LinuxPersonalityDomain::PerLinux => 0,
        LinuxPersonalityDomain::PerLinux32 => 8,
    }
}

/// The memory policy of `linux.memoryPolicy`.
pub(super) fn memory_policy(asked: &LinuxMemoryPolicy, findings: &mut Findings) -> MemoryPolicy {
    let mode = match asked.mode() {
        MemoryPolicyModeType::MpolDefault => 0,
        MemoryPolicyModeType::MpolPreferred => 1,
        MemoryPolicyModeType::MpolBind => 2,
        MemoryPolicyModeType::MpolInterleave => 3,
        MemoryPolicyModeType::MpolLocal => 4,
        MemoryPolicyModeType::MpolPreferredMany => 5,
        MemoryPolicyModeType::MpolWeightedInterleave => 6,
    };
    let flags = asked.flags().iter().flatten().fold(0, |flags, flag| {
        flags
            | match flag {
                MemoryPolicyFlagType::MpolFStaticNodes => 1 << 15,
                MemoryPolicyFlagType::MpolFRelativeNodes => 1 << 14,
                MemoryPolicyFlagType::MpolFNumaBalancing => 1 << 13,
            }
    });
    let text = asked.nodes().as_deref().unwrap_or_default();
    let nodes = if text.is_empty() {
        Vec::new()
    } else {
        bits(text).unwrap_or_else(|| {
            findings.error(
                "linux.memoryPolicy.nodes",
                format!("invalid memory policy node {text:?}"),
            );
            Vec::new()
        })
    };
    if matches!(mode, 0 | 4) && !nodes.is_empty() {
        let count: u32 = nodes.iter().map(|word| word.count_ones()).sum();
        findings.error(
            "linux.memoryPolicy.nodes",
            format!("mode requires 0 nodes but got {count}"),
        );
    }
    MemoryPolicy {
        mode: mode | flags,
        nodes,
    }
}

fn affinities(
    asked: Option<&ExecCPUAffinity>,
    field: &str,
    findings: &mut Findings,
) -> (Option<Vec<u64>>, Option<Vec<u64>>) {
    let Some(asked) = asked else {
        return (None, None);
    };
    let mut one = |name: &str, text: Option<&String>| {
        let text = text.filter(|text| !text.is_empty())?;
        let mask = bits(text);
        if mask.is_none() {
            findings.error(
                format!("{field}.{name}"),
                format!("invalid CPU list {text:?}"),
            );
        }
        mask
    };
    (
        one("initial", asked.initial().as_ref()),
        one("final", asked.cpu_affinity_final().as_ref()),
    )
}

/// `0-3,7` as bits.
fn bits(text: &str) -> Option<Vec<u64>> {
    /// More than any kernel is built for (CONFIG_NR_CPUS).
    const MOST: usize = 65_536;
    let mut words: Vec<u64> = Vec::new();
    for part in text.split(',') {
        let part = part.trim();
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last): (usize, usize) = (first.parse().ok()?, last.parse().ok()?);
        if first > last || last >= MOST {
            return None;
        }
        for number in first..=last {
            let index = number / 64;
            if words.len() <= index {
                words.resize(index.checked_add(1)?, 0);
            }
            *words.get_mut(index)? |= 1 << (number % 64);
        }
    }
    Some(words)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a failed set-up fails the test")]
mod tests {
    use super::{ProcessFacts, bits, process};
    use crate::error::Findings;
    use crate::plan::ProcessPlan;

    fn planned(json: &str) -> Result<ProcessPlan, String> {
        let facts = ProcessFacts {
            field: "process",
            id_maps: None,
            personality: None,
            memory_policy: None,
            listen_fds: 0,
            preserve_fds: 0,
            keeps_groups: false,
            joins: false,
        };
        let mut findings = Findings::new();
        let asked = crate::spec::read_process("p", json.as_bytes()).unwrap();
        let plan = process(&asked.content, &facts, &mut findings);
        if findings.has_errors() {
            return Err(findings.to_string());
        }
        Ok(plan)
    }

    #[test]
    fn a_variable_is_there_once_with_its_last_value() {
        let plan = planned(
            r#"{"user":{},"cwd":"/","args":["x"],"env":["ONE=1","TWO=a=b","ONE=","THREE=\n"]}"#,
        );
        assert_eq!(plan.unwrap().env, ["ONE=", "TWO=a=b", "THREE=\n"]);
    }

    #[test]
    fn faults_name_their_field_and_no_secret() {
        let refused = planned(
            r#"{"user":{},"cwd":"rel","args":[],"env":["NOVALUE"],"oomScoreAdj":1001,
               "rlimits":[{"type":"RLIMIT_CORE","soft":2,"hard":1},
                          {"type":"RLIMIT_CORE","soft":1,"hard":1}]}"#,
        );
        let text = refused.unwrap_err();
        for part in [
            "process.args: must not be empty",
            "process.cwd: \"rel\" is not an absolute path",
            "process.env[0]: ",
            "process.oomScoreAdj: 1001",
            "process.rlimits[0]: soft limit 2",
            "process.rlimits[1].type: duplicate rlimit RLIMIT_CORE",
        ] {
            assert!(text.contains(part), "{part} in {text}");
        }
    }

    #[test]
    fn minus_one_is_no_id() {
        for (user, field) in [
            (r#"{"uid":4294967295}"#, "process.user.uid"),
            (r#"{"gid":4294967295}"#, "process.user.gid"),
            (
                r#"{"additionalGids":[1,4294967295]}"#,
                "process.user.additionalGids",
            ),
        ] {
            let refused = planned(&format!(r#"{{"user":{user},"cwd":"/","args":["x"]}}"#));
            assert!(refused.unwrap_err().starts_with(field), "{user}");
        }
        let highest = r#"{"user":{"uid":4294967294,"gid":4294967294},"cwd":"/","args":["x"]}"#;
        assert_eq!(planned(highest).unwrap().user.uid, u32::MAX - 1);
    }

    #[test]
    fn a_label_without_its_module_is_refused() {
        if crate::security::lsm::apparmor_enabled() {
            return;
        }
        let refused = planned(r#"{"user":{},"cwd":"/","args":["x"],"apparmorProfile":"p"}"#);
        assert!(refused.unwrap_err().contains("AppArmor is not enabled"));
    }

    #[test]
    fn nice_goes_with_any_policy() {
        let with = |scheduler: &str| {
            planned(&format!(
                r#"{{"user":{{}},"cwd":"/","args":["x"],"scheduler":{scheduler}}}"#
            ))
        };
        let plan = with(r#"{"policy":"SCHED_DEADLINE","nice":19,"runtime":1024,"deadline":2048}"#);
        assert_eq!(plan.unwrap().scheduler.unwrap().nice, 19);
        let refused = with(r#"{"policy":"SCHED_OTHER","nice":20}"#).unwrap_err();
        assert!(refused.contains("invalid scheduler.nice: 20"), "{refused}");
    }

    #[test]
    fn times_of_a_deadline_are_in_their_order() {
        let with = |times: &str| {
            planned(&format!(
                r#"{{"user":{{}},"cwd":"/","args":["x"],
                    "scheduler":{{"policy":"SCHED_DEADLINE"{times}}}}}"#
            ))
        };
        for times in [
            r#","runtime":1024,"deadline":1024"#,
            r#","runtime":1024,"deadline":2048,"period":2048"#,
        ] {
            assert!(with(times).is_ok(), "{times}");
        }
        for (times, field) in [
            (r#","deadline":2048"#, "runtime: 0"),
            (r#","runtime":1023,"deadline":2048"#, "runtime: 1023"),
            (r#","runtime":1024"#, "deadline: missing"),
            (
                r#","runtime":4096,"deadline":2048"#,
                "runtime: 4096 is beyond",
            ),
            (
                r#","runtime":1024,"deadline":2048,"period":2047"#,
                "deadline: 2048 is beyond",
            ),
        ] {
            let refused = with(times).unwrap_err();
            assert_eq!(refused.find("process.scheduler."), Some(0), "{refused}");
            assert!(refused.contains(field), "{field} in {refused}");
        }
    }

    #[test]
    fn lists_of_numbers_are_bits() {
        assert_eq!(bits("0-1,3"), Some(vec![0b1011]));
        assert_eq!(bits("64"), Some(vec![0, 1]));
        for text in ["", "a", "3-1", "1-", "999999999"] {
            assert_eq!(bits(text), None, "{text}");
        }
    }
}
