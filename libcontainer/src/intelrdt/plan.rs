//! From `linux.intelRdt` to the group of a container.

use serde::{Deserialize, Serialize};

use super::mount::Resctrl;
use super::schema;
use crate::error::{Finding, Findings};
use crate::spec::oci::LinuxIntelRdt;

/// The group of a container, its shares, and its monitoring.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResctrlPlan {
    /// Where resctrl is mounted.
    pub mount: String,
    /// The group below it; empty for the root's own.
    pub group: String,
    /// Whether `closID` named it. Otherwise it is the container's alone.
    pub named: bool,
    /// The lines of `l3CacheSchema` and `memBwSchema`: written, and required of a
    /// group that others made.
    pub shares: Vec<String>,
    /// The lines of `schemata`, written after those.
    pub schemata: Vec<String>,
    /// The name of a monitoring group.
    pub monitoring: Option<String>,
}

/// Makes the plan, or says what stands against it. `host` is what was found.
pub fn plan(
    asked: &LinuxIntelRdt,
    id: &str,
    host: Option<&Resctrl>,
    findings: &mut Findings,
) -> Option<ResctrlPlan> {
    let Some(host) = host else {
        findings.push(
            Finding::error("linux.intelRdt", "no resctrl file system is mounted")
                .with_advice("mount -t resctrl resctrl /sys/fs/resctrl"),
        );
        return None;
    };
    let clos = asked.clos_id().as_deref().filter(|name| !name.is_empty());
    let group = match clos {
        Some("/") => "",
        Some(name) => {
            if let Some(reason) = no_name(name) {
                findings.error("linux.intelRdt.closID", format!("{name:?} {reason}"));
            }
            name
        }
        None => {
            if let Some(reason) = no_name(id) {
                findings.push(
                    Finding::error(
                        "linux.intelRdt",
                        format!("the container's id {id:?} {reason}"),
                    )
                    .with_advice("name a group in linux.intelRdt.closID"),
                );
            }
            id
        }
    };
    let cache = asked.l3_cache_schema().as_deref();
    let bandwidth = asked.mem_bw_schema().as_deref();
    let shares = schema::lines("linux.intelRdt.", cache, bandwidth, findings);
    let given = |schema: Option<&str>| schema.is_some_and(|text| !text.is_empty());
    if given(cache) && !host.cache {
        findings.error(
            "linux.intelRdt.l3CacheSchema",
            "this host cannot give shares of the L3 cache",
        );
    }
    if given(bandwidth) && !host.bandwidth {
        findings.error(
            "linux.intelRdt.memBwSchema",
            "this host cannot give shares of the memory bandwidth",
        );
    }
    let schemata = asked.schemata().clone().unwrap_or_default();
    for (n, line) in schemata.iter().enumerate() {
        let path = format!("linux.intelRdt.schemata[{n}]");
        schema::one_line(&path, line, findings);
        if line.trim().is_empty() {
            findings.error(path, "empty");
        }
    }
    let monitored = asked.enable_monitoring().unwrap_or_default();
    if monitored && !host.monitoring {
        findings.error(
            "linux.intelRdt.enableMonitoring",
            "this host cannot monitor the use of its cache",
        );
    }
    Some(ResctrlPlan {
        mount: host.mount.clone(),
        group: group.to_owned(),
        named: clos.is_some(),
        shares,
        schemata,
        monitoring: monitored.then(|| id.to_owned()),
    })
}

/// Why this can be no name of a group.
fn no_name(name: &str) -> Option<&'static str> {
    match name {
        "." | ".." => Some("is no name"),
        // The kernel's own folders in the root group.
        "info" | "mon_groups" | "mon_data" => Some("is not a group's"),
        _ if name.contains('/') => Some("has a slash"),
        _ if name.contains(['\n', '\0']) => Some("has a control character"),
        _ if name.len() > 255 => Some("is longer than a file name can be"),
        _ => None,
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a failed set-up fails the test")]
mod tests {
    use serde_json::{Value, json};

    use super::{ResctrlPlan, plan};
    use crate::error::Findings;
    use crate::intelrdt::Resctrl;

    fn host() -> Resctrl {
        Resctrl {
            mount: "/r".to_owned(),
            cache: true,
            bandwidth: true,
            monitoring: true,
        }
    }

    fn planned(asked: Value, id: &str, host: Option<&Resctrl>) -> Result<ResctrlPlan, String> {
        let mut findings = Findings::new();
        let asked = serde_json::from_value(asked).unwrap();
        let plan = plan(&asked, id, host, &mut findings);
        plan.filter(|_| !findings.has_errors())
            .ok_or_else(|| findings.to_string())
    }

    #[test]
    fn the_group_is_the_containers_or_the_named_or_the_roots() {
        let host = host();
        let of = |asked| {
            let plan = planned(asked, "c1", Some(&host)).unwrap();
            (plan.group, plan.named)
        };
        assert_eq!(of(json!({})), ("c1".to_owned(), false));
        assert_eq!(of(json!({"closID": ""})), ("c1".to_owned(), false));
        assert_eq!(of(json!({"closID": "gold"})), ("gold".to_owned(), true));
        assert_eq!(of(json!({"closID": "/"})), (String::new(), true));
    }

    #[test]
    fn lines_keep_their_order() {
        let asked = json!({
            "schemata": ["L2:0=f", "L3:0=3"],
            "memBwSchema": "MB:0=20",
            "l3CacheSchema": "L3:0=f",
            "enableMonitoring": true,
        });
        let plan = planned(asked, "c1", Some(&host())).unwrap();
        assert_eq!(plan.shares, ["L3:0=f", "MB:0=20"]);
        assert_eq!(plan.schemata, ["L2:0=f", "L3:0=3"]);
        assert_eq!(plan.monitoring.as_deref(), Some("c1"));
    }

    #[test]
    fn names_that_lead_elsewhere_are_refused() {
        let host = host();
        for name in [
            ".",
            "..",
            "a/b",
            "/a",
            "a/",
            "//",
            "info",
            "mon_groups",
            "a\nb",
        ] {
            let said = planned(json!({"closID": name}), "c1", Some(&host)).unwrap_err();
            assert!(said.starts_with("linux.intelRdt.closID: "), "{said}");
        }
        let long = "x".repeat(256);
        assert!(planned(json!({"closID": long}), "c1", Some(&host)).is_err());
        let said = planned(json!({}), "info", Some(&host)).unwrap_err();
        assert!(said.contains("the container's id \"info\""), "{said}");
    }

    #[test]
    fn what_the_host_lacks_is_said() {
        let bare = Resctrl {
            cache: false,
            bandwidth: false,
            monitoring: false,
            ..host()
        };
        for (asked, field) in [
            (json!({"l3CacheSchema": "L3:0=f"}), "l3CacheSchema"),
            (json!({"memBwSchema": "MB:0=20"}), "memBwSchema"),
            (json!({"enableMonitoring": true}), "enableMonitoring"),
        ] {
            let said = planned(asked, "c1", Some(&bare)).unwrap_err();
            assert!(
                said.starts_with(&format!("linux.intelRdt.{field}: this host cannot")),
                "{said}"
            );
        }
        assert!(planned(json!({"schemata": ["L2:0=1"]}), "c1", Some(&bare)).is_ok());
        let said = planned(json!({}), "c1", None).unwrap_err();
        assert_eq!(said, "linux.intelRdt: no resctrl file system is mounted");
    }

    #[test]
    fn a_line_is_one_line() {
        let asked = json!({"schemata": ["L3:0=f", "L3:0=f\nMB:0=10", ""]});
        let said = planned(asked, "c1", Some(&host())).unwrap_err();
        assert!(said.contains("linux.intelRdt.schemata[1]: "), "{said}");
        assert!(said.contains("linux.intelRdt.schemata[2]: empty"), "{said}");
    }
}
