//! `update`.

use std::fs::File;
use std::io::Read as _;
use std::str::FromStr;

use libcontainer::Result;
use libcontainer::error::{Error, ErrorKind};
use libcontainer::lifecycle::{self, Exit, UpdateRequest};
use libcontainer::spec::oci::{LinuxBlockIo, LinuxCpu, LinuxMemory, LinuxPids, LinuxResources};
use libcontainer::spec::read_resources;

use super::size;
use crate::args::{Arity, Command, Grammar, Opt, Words};
use crate::report::cannot;
use crate::session::Session;

pub(super) static UPDATE: Command = Command {
    name: "update",
    about: "change the limits of a container",
    usage: "<container-id>",
    description: "\
Changes limits of a container that is created, running or paused. What is not
named keeps its value; when one limit is refused, none is changed.

Sizes are in bytes, or have a unit: 512k, 64M, 1.5GiB. -1 stands for no limit.

With --resources the limits come from a JSON document that holds what
linux.resources of a configuration does, for example
  {\"memory\": {\"limit\": 67108864}, \"cpu\": {\"quota\": 50000}, \"pids\": {\"limit\": 100}}
and all options but --l3-cache-schema and --mem-bw-schema are ignored. Device
rules are never changed.",
    options: &[
        Opt::text(
            "resources",
            "read the limits from this file, or - for stdin",
        )
        .short('r'),
        Opt::text("blkio-weight", "weight of block I/O, 10 to 1000"),
        Opt::text("cpu-period", "period of the CPU quota, in microseconds"),
        Opt::text("cpu-quota", "CPU time in a period, in microseconds"),
        Opt::text(
            "cpu-burst",
            "CPU time that may be saved up beyond the quota, in microseconds",
        ),
        Opt::text("cpu-share", "weight of CPU time, 2 to 262144"),
        Opt::text(
            "cpu-rt-period",
            "period of the real-time limit, in microseconds",
        ),
        Opt::text(
            "cpu-rt-runtime",
            "real-time CPU time in a period, in microseconds",
        ),
        Opt::text(
            "cpu-idle",
            "1: run only when nobody else wants to; 0: not so",
        ),
        Opt::text("cpuset-cpus", "CPUs to use, as 0-2,7"),
        Opt::text("cpuset-mems", "memory nodes to use"),
        Opt::text("memory", "limit of memory"),
        Opt::text("memory-reservation", "memory that is not reclaimed first"),
        Opt::text("memory-swap", "limit of memory and swap together"),
        Opt::text("pids-limit", "limit of processes and threads"),
        Opt::text("l3-cache-schema", "schema of the L3 cache (Intel RDT)"),
        Opt::text("mem-bw-schema", "schema of memory bandwidth (Intel RDT)"),
        Opt::text("kernel-memory", "ignored").unlisted(),
        Opt::text("kernel-memory-tcp", "ignored").unlisted(),
    ],
    grammar: Grammar::Anywhere,
    arity: Arity::Exactly(1),
    failure: 1,
    listed: true,
    run,
};

/// More than any document of limits has.
const MOST_BYTES: u64 = 16 << 20;

fn run(session: &Session, words: &Words) -> Result<Exit> {
    let id = words.arg(0);
    // A container that is not there is said before a fault of the limits, and
    // before stdin is waited for.
    if words.text("resources") == Some("-") {
        lifecycle::state(&session.root, id)?;
    }
    let request = match request(words) {
        Ok(request) => request,
        Err(fault) => {
            lifecycle::state(&session.root, id)?;
            return Err(fault);
        }
    };
    lifecycle::update(&session.root, id, &request)?;
    Ok(Exit(0))
}

fn request(words: &Words) -> Result<UpdateRequest> {
    let resources = match words.text("resources") {
        Some(name) => document(name)?,
        None => options(words)?,
    };
    Ok(UpdateRequest {
        resources,
        l3_cache_schema: words.text("l3-cache-schema").map(str::to_owned),
        mem_bw_schema: words.text("mem-bw-schema").map(str::to_owned),
    })
}

/// The limits of `--resources`.
fn document(name: &str) -> Result<LinuxResources> {
    let mut text = Vec::new();
    let (name, read) = if name == "-" {
        let stdin = std::io::stdin().lock();
        ("stdin", stdin.take(MOST_BYTES).read_to_end(&mut text))
    } else {
        let read = File::open(name).and_then(|file| file.take(MOST_BYTES).read_to_end(&mut text));
        (name, read)
    };
    read.map_err(|error| cannot("read", name, &error))?;
    let document = read_resources(name, &text)?;
    for note in document.notes {
        log::warn!("{note}");
    }
    Ok(document.content)
}

/// The limits that the other options name.
fn options(words: &Words) -> Result<LinuxResources> {
    let mut resources = LinuxResources::default();
    let weight: Option<u16> = number(words, "blkio-weight")?;
    if weight.is_some() {
        let mut io = LinuxBlockIo::default();
        io.set_weight(weight);
        resources.set_block_io(Some(io));
    }
    let cpu = cpu(words)?;
    if cpu != LinuxCpu::default() {
        resources.set_cpu(Some(cpu));
    }
    let memory = memory(words)?;
    if memory != LinuxMemory::default() {
        resources.set_memory(Some(memory));
    }
    if let Some(limit) = number(words, "pids-limit")? {
        let mut pids = LinuxPids::default();
        pids.set_limit(limit);
        resources.set_pids(Some(pids));
    }
    Ok(resources)
}

fn cpu(words: &Words) -> Result<LinuxCpu> {
    let mut cpu = LinuxCpu::default();
    cpu.set_period(number(words, "cpu-period")?);
    cpu.set_quota(number(words, "cpu-quota")?);
    cpu.set_burst(number(words, "cpu-burst")?);
    cpu.set_shares(number(words, "cpu-share")?);
    cpu.set_realtime_period(number(words, "cpu-rt-period")?);
    cpu.set_realtime_runtime(number(words, "cpu-rt-runtime")?);
    cpu.set_idle(number(words, "cpu-idle")?);
    cpu.set_cpus(words.text("cpuset-cpus").map(str::to_owned));
    cpu.set_mems(words.text("cpuset-mems").map(str::to_owned));
    Ok(cpu)
}

fn memory(words: &Words) -> Result<LinuxMemory> {
    let mut memory = LinuxMemory::default();
    memory.set_limit(bytes(words, "memory")?);
    memory.set_swap(bytes(words, "memory-swap")?);
    memory.set_reservation(bytes(words, "memory-reservation")?);
    memory.set_kernel(bytes(words, "kernel-memory")?);
    memory.set_kernel_tcp(bytes(words, "kernel-memory-tcp")?);
    Ok(memory)
}

fn number<T: FromStr>(words: &Words, name: &str) -> Result<Option<T>>
where
    T::Err: std::fmt::Display,
{
    let parse = |text: &str| {
        text.parse()
            .map_err(|reason| invalid(name, &format!("{text:?}: {reason}")))
    };
    words.text(name).map(parse).transpose()
}

fn bytes(words: &Words, name: &str) -> Result<Option<i64>> {
    let parse = |text: &str| match text {
        "-1" => Ok(-1),
        text => size::bytes(text).map_err(|reason| invalid(name, &reason)),
    };
    words.text(name).map(parse).transpose()
}

fn invalid(name: &str, reason: &str) -> Error {
    Error::new(
        ErrorKind::InvalidConfig,
        format!("invalid value for {name}: {reason}"),
    )
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::{document, options, request};
    use crate::commands::testing::words;
    use libcontainer::spec::oci::LinuxResources;
    use serde_json::{Value, json};

    fn asked(argv: &[&str]) -> Value {
        let line = [&["update"], argv, &["c"]].concat();
        serde_json::to_value(options(&words(&line)).unwrap()).unwrap()
    }

    fn refusal(argv: &[&str]) -> String {
        let line = [&["update"], argv, &["c"]].concat();
        options(&words(&line)).unwrap_err().to_string()
    }

    #[test]
    fn options_become_limits() {
        assert_eq!(
            asked(&[
                "--blkio-weight=500",
                "--cpu-period",
                "50000",
                "--cpu-quota",
                "-1",
                "--cpu-burst=1000",
                "--cpu-share=512",
                "--cpu-rt-period=900000",
                "--cpu-rt-runtime=1000",
                "--cpu-idle=1",
                "--cpuset-cpus=0-1",
                "--cpuset-mems=0",
            ]),
            json!({
                "cpu": {
                    "shares": 512, "quota": -1, "idle": 1, "burst": 1000, "period": 50000,
                    "realtimeRuntime": 1000, "realtimePeriod": 900_000,
                    "cpus": "0-1", "mems": "0",
                },
                "blockIO": {"weight": 500},
            })
        );
        assert_eq!(
            asked(&[
                "--memory",
                "64M",
                "--memory-swap",
                "-1",
                "--memory-reservation=1g",
                "--kernel-memory=1m",
                "--kernel-memory-tcp=2m",
                "--pids-limit",
                "0",
            ]),
            json!({
                "memory": {
                    "limit": 67_108_864, "swap": -1, "reservation": 1_073_741_824,
                    "kernel": 1_048_576, "kernelTCP": 2_097_152,
                },
                "pids": {"limit": 0},
            })
        );
    }

    #[test]
    fn what_is_not_named_is_not_asked_for() {
        assert_eq!(
            options(&words(&["update", "--memory=", "--cpuset-cpus=", "c"])).unwrap(),
            LinuxResources::default()
        );
    }

    #[test]
    fn faults_name_the_option() {
        for (argv, wanted) in [
            (
                ["--cpu-burst=-1"],
                "invalid value for cpu-burst: \"-1\": invalid digit found in string",
            ),
            (
                ["--memory=lots"],
                "invalid value for memory: invalid size: 'lots'",
            ),
            (
                ["--memory-swap=-2"],
                "invalid value for memory-swap: invalid size: '-2'",
            ),
            (
                ["--pids-limit=x"],
                "invalid value for pids-limit: \"x\": invalid digit found in string",
            ),
        ] {
            assert_eq!(refusal(&argv), wanted);
        }
    }

    #[test]
    fn with_a_document_only_the_schemata_count_beside_it() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("limits.json");
        std::fs::write(&file, r#"{"pids": {"limit": 9}}"#).unwrap();
        let file = file.to_str().unwrap();
        let line = [
            "update",
            "-r",
            file,
            "--memory=nonsense",
            "--l3-cache-schema=L3:0=f",
            "c",
        ];
        let found = request(&words(&line)).unwrap();
        assert_eq!(
            serde_json::to_value(&found.resources).unwrap(),
            json!({"pids": {"limit": 9}})
        );
        assert_eq!(found.l3_cache_schema.as_deref(), Some("L3:0=f"));
        assert_eq!(found.mem_bw_schema, None);
        let missing = format!("{file}x");
        assert_eq!(
            document(&missing).unwrap_err().to_string(),
            format!("cannot read {missing}: no such file or directory")
        );
    }
}
