//! T15: configurations of any size and shape. None crashes the runtime, none takes
//! memory out of proportion, a fault is told by its field. CVE-2021-43784,
//! CVE-2026-30892.

use std::fs;

use serde_json::{Value, json};

use super::ways::clean;
use crate::harness::{Answer, Case, Outcome, holds, same};
use crate::tests::list;

list!["attacks::t15":
    long_strings,
    many_entries,
    deep_nesting,
    bytes_of_no_document,
    cut_documents,
    changed_bytes,
    numbers_at_their_limits,
    wrong_types_everywhere,
];

const MIB: usize = 1 << 20;

/// What a small configuration takes; a build for debugging takes the most.
const BASE: usize = 24 * MIB;

/// The longest configuration that is read, and how many times its size it may cost: a
/// text is held as bytes, read, planned and sent, and a short entry of a list takes some
/// ten times its text each time.
const LONGEST: usize = 16 * MIB;
const TIMES: usize = 20;

/// The runtime is given this configuration, and memory in proportion: it ends by
/// itself, in words where it is refused.
#[track_caller]
fn judged(case: &Case, context: &str, text: &[u8]) -> Outcome<Answer> {
    fs::write(case.bundle.config_file(), text)?;
    // What is allocated counts (setrlimit(2), "RLIMIT_DATA"), and too much of it is
    // an abort.
    let most = (BASE + TIMES * text.len().min(LONGEST)) / 1024;
    let under = format!("ulimit -d {most} && exec \"$@\"");
    let call = case.call(&["run", &case.id]).under(&under);
    let answer = call.limit(60).answer()?;
    let err = answer.err();
    let start: String = err.chars().take(600).collect();
    let said = format!("{context}: exit {}: {start}", answer.code);
    holds(&said, answer.code == 0 || answer.code == 1)?;
    holds(&said, answer.code == 0 || !err.is_empty())?;
    holds(&said, !err.contains("panicked"))?;
    if case.state_root.join(&case.id).exists() {
        case.destroy()?;
    }
    Ok(answer)
}

/// The same of the configuration with this JSON text at one place of it.
#[track_caller]
fn with(case: &Case, config: &Value, pointer: &str, text: &str) -> Outcome<Answer> {
    let mut config = config.clone();
    let (parent, name) = pointer.rsplit_once('/').unwrap_or_default();
    match config.pointer_mut(parent) {
        Some(Value::Array(list)) => {
            if let Some(place) = name.parse().ok().and_then(|at: usize| list.get_mut(at)) {
                *place = json!("@HERE@");
            }
        }
        Some(parent) => parent[name] = json!("@HERE@"),
        None => {}
    }
    // As text: a document of this size is slow to write.
    let whole = config.to_string();
    holds(format!("{pointer} is there"), whole.contains("\"@HERE@\""))?;
    judged(case, pointer, whole.replace("\"@HERE@\"", text).as_bytes())
}

fn long_strings(case: &Case) -> Outcome {
    case.bundle.script("true")?;
    let config = case.bundle.config()?;
    let long = "x".repeat(2 * MIB);
    for pointer in [
        "/process/args/2",
        "/process/env/0",
        "/mounts/0/options",
        "/mounts/1/options/0",
        "/mounts/0/type",
        "/hostname",
        "/ociVersion",
        "/linux/namespaces/0/type",
        "/linux/cgroupsPath",
        "/novel",
    ] {
        with(case, &config, pointer, &format!("\"{long}\""))?;
    }
    for pointer in ["/process/cwd", "/root/path", "/mounts/0/destination"] {
        let answer = with(case, &config, pointer, &format!("\"/{long}\""))?;
        same(pointer, answer.code, 1)?;
        holds("an error is no document", answer.err().len() < 16_384)?;
    }
    with(
        case,
        &config,
        "/annotations",
        &format!("{{\"a\": \"{long}\"}}"),
    )?;
    // More than is read at all.
    let long = "x".repeat(64 * MIB);
    let answer = with(case, &config, "/hostname", &format!("\"{long}\""))?;
    same("too long", answer.code, 1)?;
    case.nothing_left()
}

fn many_entries(case: &Case) -> Outcome {
    // A document that is refused is read to its end before.
    case.edit(|c| {
        c["process"]["args"] = json!([]);
        c["linux"]["seccomp"] = json!({"defaultAction": "SCMP_ACT_ALLOW"});
    })?;
    let config = case.bundle.config()?;
    let many = |pointer: &str, entry: &dyn Fn(usize) -> String, count: usize| -> Outcome {
        let list: Vec<String> = (0..count).map(entry).collect();
        let answer = with(case, &config, pointer, &format!("[{}]", list.join(",")))?;
        same(pointer, answer.code, 1)
    };
    many("/process/env", &|n| format!("\"NAME{n}=x\""), 300_000)?;
    many(
        "/process/capabilities/bounding",
        &|n| format!("\"C{n}\""),
        50_000,
    )?;
    many("/linux/maskedPaths", &|n| format!("\"/m{n}\""), 300_000)?;
    let mount =
        |n| format!("{{\"destination\": \"/m{n}\", \"type\": \"tmpfs\", \"source\": \"t\"}}");
    many("/mounts", &mount, 100_000)?;
    many(
        "/linux/namespaces",
        &|_| r#"{"type": "pid"}"#.to_owned(),
        50_000,
    )?;
    let device =
        |n| format!("{{\"path\": \"/dev/d{n}\", \"type\": \"c\", \"major\": 1, \"minor\": 3}}");
    many("/linux/devices", &device, 100_000)?;
    let limit = r#"{"type": "RLIMIT_NOFILE", "soft": 1, "hard": 1}"#;
    many("/process/rlimits", &|_| limit.to_owned(), 50_000)?;
    let call = |n| format!("{{\"names\": [\"call{n}\"], \"action\": \"SCMP_ACT_ERRNO\"}}");
    many("/linux/seccomp/syscalls", &call, 50_000)?;
    many("/novel", &|n| n.to_string(), 1_000_000)?;
    case.nothing_left()
}

fn deep_nesting(case: &Case) -> Outcome {
    let config = case.bundle.config()?;
    for depth in [100, 127, 128, 10_000, 1_000_000] {
        for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
            let nested = format!("{}1{}", open.repeat(depth), close.repeat(depth));
            for field in ["novel", "annotations", "mounts", "process"] {
                let mut with = config.clone();
                with[field] = json!("@HERE@");
                let text = with.to_string().replace("\"@HERE@\"", &nested);
                judged(case, &format!("{field} {depth} deep"), text.as_bytes())?;
            }
        }
    }
    judged(case, "openings", "[".repeat(16 * MIB).as_bytes())?;
    case.nothing_left()
}

fn bytes_of_no_document(case: &Case) -> Outcome {
    let config = serde_json::to_vec(&case.bundle.config()?)?;
    let spaces = [" ".repeat(64 * MIB).as_bytes(), &config].concat();
    judged(case, "spaces", &spaces)?;
    let mark = [b"\xef\xbb\xbf".as_slice(), &config].concat();
    for (context, text) in [
        ("nothing", b"".as_slice()),
        ("zeros", &vec![0; 64 * MIB]),
        ("ones", &vec![0xff; MIB]),
        ("a mark", &mark),
        ("a number", b"1e999999999"),
        ("a long number", "9".repeat(MIB).as_bytes()),
        ("half a surrogate", b"{\"hostname\": \"\\ud800\"}"),
        ("half a character", b"{\"hostname\": \"\xc3\"}"),
        ("a control character", b"{\"hostname\": \"\x01\"}"),
        ("a long string", "\"".repeat(MIB).as_bytes()),
        (
            "a long key",
            format!("{{\"{}\": 1}}", "k".repeat(MIB)).as_bytes(),
        ),
    ] {
        let answer = judged(case, context, text)?;
        same(context, answer.code, 1)?;
        holds("an error is no document", answer.err().len() < 16_384)?;
    }
    case.nothing_left()
}

fn cut_documents(case: &Case) -> Outcome {
    let config = serde_json::to_vec(&case.bundle.config()?)?;
    // Every place would be the same ones again and again.
    for end in (1..config.len()).step_by(97) {
        let part = config.get(..end).unwrap_or_default();
        let answer = judged(case, &format!("cut at {end}"), part)?;
        same("a part of a document", answer.code, 1)?;
    }
    case.nothing_left()
}

/// Numbers without order, the same each time.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, end: usize) -> usize {
        // Steele and Vigna's multiplier for 64 bits; the upper half is the better one.
        self.0 = self.0.wrapping_mul(0xd134_2543_de82_ef95).wrapping_add(1);
        usize::try_from(self.0 >> 33).unwrap_or_default() % end.max(1)
    }
}

fn changed_bytes(case: &Case) -> Outcome {
    case.bundle.script("true")?;
    let config = serde_json::to_vec(&case.bundle.config()?)?;
    let mut numbers = Numbers(15);
    for round in 0..super::ways::rounds() {
        let mut text = config.clone();
        for _ in 0..=numbers.below(3) {
            let place = numbers.below(text.len());
            let byte = u8::try_from(numbers.below(256)).unwrap_or_default();
            if let Some(place) = text.get_mut(place) {
                *place = byte;
            }
        }
        // A name of a cgroup that nobody finds again would be left behind.
        let path = String::from_utf8_lossy(&text).contains(&case.cgroup);
        if path {
            judged(case, &format!("round {round}"), &text)?;
        }
    }
    case.nothing_left()
}

fn numbers_at_their_limits(case: &Case) -> Outcome {
    // Each stands alone, and is refused by its name or taken as it is.
    let fields = [
        "process.user.uid",
        "process.user.gid",
        "process.user.umask",
        "process.oomScoreAdj",
        "process.consoleSize.height",
        "process.scheduler.nice",
        "process.ioPriority.priority",
        "process.rlimits.0.soft",
        "linux.resources.pids.limit",
        "linux.resources.memory.limit",
        "linux.resources.memory.swappiness",
        "linux.resources.cpu.shares",
        "linux.resources.cpu.quota",
        "linux.resources.cpu.period",
        "linux.resources.blockIO.weight",
        "linux.resources.hugepageLimits.0.limit",
        "linux.devices.0.major",
        "linux.devices.0.fileMode",
        "linux.timeOffsets.boottime.secs",
        "linux.uidMappings.0.hostID",
        "linux.uidMappings.0.size",
        "linux.seccomp.defaultErrnoRet",
        "hooks.poststop.0.timeout",
    ];
    let around = json!({
        "process": {
            "scheduler": {"policy": "SCHED_OTHER"},
            "ioPriority": {"class": "IOPRIO_CLASS_BE", "priority": 4},
            "rlimits": [{"type": "RLIMIT_CORE", "soft": 0, "hard": 0}],
            "consoleSize": {"height": 1, "width": 1},
        },
        "linux": {
            "resources": {"hugepageLimits": [{"pageSize": "2MB", "limit": 0}], "pids": {},
                "memory": {}, "cpu": {}, "blockIO": {}},
            "devices": [{"path": "/dev/x", "type": "c", "major": 1, "minor": 3}],
            "timeOffsets": {"boottime": {}},
            "uidMappings": [{"containerID": 0, "hostID": 100_000, "size": 1}],
            "seccomp": {"defaultAction": "SCMP_ACT_ALLOW"},
        },
        "hooks": {"poststop": [{"path": "/bin/true"}]},
    });
    // Refused by themselves where they are taken: args is empty.
    for field in fields {
        let parts: Vec<&str> = field.split('.').collect();
        for number in [
            "-1",
            "0",
            "-2147483649",
            "2147483648",
            "4294967296",
            "9223372036854775807",
            "-9223372036854775808",
            "-9223372036854775809",
            "18446744073709551615",
            "18446744073709551616",
            "1e400",
            "-1e400",
            "1.5",
            "1e2",
            "-0",
            "99999999999999999999999999999999999999999",
        ] {
            let mut config = case.bundle.config()?;
            let (section, rest) = parts.split_first().unwrap_or((&"", &[]));
            merge(&mut config, &around, section, rest);
            config["process"]["args"] = json!([]);
            let pointer = format!("/{}", parts.join("/"));
            let (parent, name) = pointer.rsplit_once('/').unwrap_or_default();
            if let Some(parent) = config.pointer_mut(parent) {
                parent[name] = json!("@HERE@");
            }
            let before = fs::read(case.bundle.config_file())?;
            let text = config.to_string().replace("\"@HERE@\"", number);
            holds(format!("{field} is there"), text.contains(number))?;
            let context = format!("{field} = {number}");
            let answer = judged(case, &context, text.as_bytes())?;
            fs::write(case.bundle.config_file(), before)?;
            same(&context, answer.code, 1)?;
            // By its name, its place, or that of the arguments, which are at fault too.
            let last = parts.last().copied().unwrap_or_default();
            let err = answer.err();
            let named = err.contains(last) || err.contains("args") || err.contains(" column ");
            holds(format!("{context}: a field in {err}"), named)?;
        }
    }
    case.nothing_left()
}

/// Takes over from `around` what the field needs to stand in.
fn merge(config: &mut Value, around: &Value, section: &str, rest: &[&str]) {
    let Some((name, below)) = rest.split_first() else {
        return;
    };
    let from = &around[section];
    if below.is_empty() && section != "hooks" {
        return;
    }
    if !from[*name].is_null() {
        config[section][*name] = from[*name].clone();
    }
}

fn wrong_types_everywhere(case: &Case) -> Outcome {
    // Each field of the default configuration in turn.
    let config = case.bundle.config()?;
    let mut pointers = Vec::new();
    pointers_of(&config, String::new(), &mut pointers);
    for pointer in pointers {
        for odd in [json!(null), json!([]), json!({}), json!("\u{0}"), json!(-1)] {
            let mut with = config.clone();
            if let Some(place) = with.pointer_mut(&pointer) {
                *place = odd.clone();
            }
            // It runs nothing that stays, and its cgroup keeps its name.
            if let Some(args) = with.pointer_mut("/process/args") {
                *args = json!([if pointer.contains("/args") {
                    odd.clone()
                } else {
                    json!("/bin/true")
                }]);
            }
            if let Some(path) = with.pointer_mut("/linux/cgroupsPath") {
                *path = json!(case.cgroup);
            }
            let text = serde_json::to_vec(&with)?;
            let answer = judged(case, &format!("{pointer} = {odd}"), &text)?;
            clean(&pointer, &answer)?;
        }
    }
    case.nothing_left()
}

fn pointers_of(value: &Value, at: String, found: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                pointers_of(value, format!("{at}/{}", name.replace('/', "~1")), found);
            }
        }
        // The rest of a list is like its first.
        Value::Array(list) => {
            if let Some(first) = list.first() {
                pointers_of(first, format!("{at}/0"), found);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
    found.push(at);
}
