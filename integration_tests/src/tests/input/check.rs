//! `check`: what the host has.

use serde_json::Value;

use crate::harness::{Case, Outcome, has, holds, needs_strace, same};
use crate::tests::list;

list!["input":
    check_as_a_table_and_as_json,
    check_finds_what_is_missing,
];

fn check_as_a_table_and_as_json(case: &Case) -> Outcome {
    // Where the tests run at all, nothing is missing that containers need.
    let table = case.rt(&["check"])?.ok()?.out();
    let json = case.rt(&["check", "--format", "json"])?.ok()?.out();
    let list: Value = serde_json::from_str(&json)?;
    let list = list.as_array().cloned().unwrap_or_default();
    holds("all that is asked", list.len() > 15)?;
    for (line, ability) in table.lines().skip(1).zip(&list) {
        has(line, ability["name"].as_str().unwrap_or("no name"))?;
        let word = if ability["inForce"] == true {
            "yes"
        } else {
            "no"
        };
        has(line, &format!(" {word} "))?;
    }
    case.nothing_left()
}

fn check_finds_what_is_missing(case: &Case) -> Outcome {
    needs_strace()?;
    let without = "exec strace -f -qq -o /dev/null -e trace=openat2 \
        -e inject=openat2:error=ENOSYS \"$@\"";
    // A protection: told and counted where it was asked for.
    let answer = case
        .call(&["check", "--security"])
        .under(without)
        .answer()?;
    same("exit code", answer.code, 1)?;
    has(&answer.out(), "\nmissing: openat2: ")?;
    let answer = case.call(&["check"]).under(without).answer()?.ok()?;
    holds("not told", !answer.out().contains("missing: openat2"))
}
