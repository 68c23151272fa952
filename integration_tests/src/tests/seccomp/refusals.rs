//! Profiles that are refused: nothing is made, and the error names the place.

use serde_json::{Value, json};

use super::but;
use crate::harness::{Case, Outcome};
use crate::tests::list;

list!["seccomp":
    words_that_nobody_knows,
    numbers_out_of_range,
    program_that_is_too_large,
];

/// A profile that is right but for this field.
fn refused(case: &Case, at: &str, value: Value, words: &[&str]) -> Outcome {
    let mut profile = but(&json!({
        "names": ["getppid"], "action": "SCMP_ACT_ERRNO",
        "args": [{"index": 0, "value": 1, "op": "SCMP_CMP_EQ"}],
    }));
    profile["flags"] = json!(["SECCOMP_FILTER_FLAG_LOG"]);
    if let Some(field) = profile.pointer_mut(at) {
        *field = value;
    }
    case.edit(|c| c["linux"]["seccomp"] = profile)?;
    case.run()?.fails(1, words)?;
    case.nothing_left()
}

fn words_that_nobody_knows(case: &Case) -> Outcome {
    for (at, field, word, known) in [
        (
            "/defaultAction",
            "defaultAction",
            "SCMP_ACT_ASK",
            "SCMP_ACT_TRAP",
        ),
        (
            "/syscalls/0/action",
            "syscalls[0].action",
            "allow",
            "SCMP_ACT_ALLOW",
        ),
        (
            "/architectures/0",
            "architectures[0]",
            "SCMP_ARCH_Z80",
            "SCMP_ARCH_PARISC64",
        ),
        (
            "/syscalls/0/args/0/op",
            "syscalls[0].args[0].op",
            "SCMP_CMP_IS",
            "SCMP_CMP_EQ",
        ),
        (
            "/flags/0",
            "flags[0]",
            "SECCOMP_FILTER_FLAG_FAST",
            "SECCOMP_FILTER_FLAG_LOG",
        ),
    ] {
        let field = format!("linux.seccomp.{field}");
        refused(case, at, json!(word), &[&field, word, known])?;
    }
    Ok(())
}

fn numbers_out_of_range(case: &Case) -> Outcome {
    let index = ["linux.seccomp.syscalls[0].args[0].index: 6 is not an argument"];
    refused(case, "/syscalls/0/args/0/index", json!(6), &index)
}

fn program_that_is_too_large(case: &Case) -> Outcome {
    let one = |value| json!({"index": 0, "value": value, "op": "SCMP_CMP_EQ"});
    let many: Vec<Value> = (0..5000).map(one).collect();
    let words = ["linux.seccomp: the filter takes", "the kernel takes 4096"];
    refused(case, "/syscalls/0/args", json!(many), &words)
}
