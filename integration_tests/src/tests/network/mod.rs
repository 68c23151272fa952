//! Network devices of the host that become the container's.

mod moved;
mod refused;

use std::process::Command;

use serde_json::{Value, json};

use crate::harness::{Case, Fault, Outcome, skip};

pub(super) fn tests() -> Vec<super::Test> {
    [moved::tests(), refused::tests()].concat()
}

/// `ip` on the host.
#[track_caller]
fn ip(line: &str) -> Outcome<String> {
    let output = Command::new("ip").args(line.split(' ')).output()?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    Err(Fault::failed(format!("ip {line}: {said}")))
}

/// A pair of devices of this test alone, gone at its end: with one goes the other.
struct Pair {
    /// The one for the container.
    ours: String,
    /// The one that stays.
    other: String,
}

impl Pair {
    fn make(case: &Case) -> Outcome<Self> {
        // A name has 15 letters at most.
        let short = case.tag.replace("lt", "");
        let pair = Self {
            ours: format!("{short}a"),
            other: format!("{short}b"),
        };
        let Self { ours, other } = &pair;
        match Command::new("ip").arg("-V").output() {
            Ok(_) => {}
            Err(_) => return skip("no ip(8) to make devices with"),
        }
        match ip(&format!("link add {ours} type veth peer name {other}")) {
            Ok(_) => Ok(pair),
            Err(fault) if fault.to_string().contains("Unknown device type") => {
                skip("the kernel has no veth devices")
            }
            Err(fault) => Err(fault),
        }
    }

    /// On the list of the configuration, under another name if any.
    fn list(&self, case: &Case, name: Option<&str>) -> Outcome {
        let device = name.map_or_else(|| json!({}), |name| json!({"name": name}));
        case.edit(|c| add(c, &self.ours, device))
    }

    /// Whether it is on the host, under its name.
    fn is_back(&self) -> bool {
        std::path::Path::new("/sys/class/net")
            .join(&self.ours)
            .exists()
            || ip(&format!("link show dev {}", self.ours)).is_ok()
    }
}

impl Drop for Pair {
    fn drop(&mut self) {
        for name in [&self.other, &self.ours] {
            let _ = Command::new("ip").args(["link", "del", name]).output();
        }
    }
}

fn add(config: &mut Value, host: &str, device: Value) {
    config["linux"]["netDevices"][host] = device;
}
