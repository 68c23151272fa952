//! Groups in a folder that stands in for resctrl.

#![expect(clippy::unwrap_used, reason = "a failed set-up fails the test")]

use std::fs;
use std::path::PathBuf;

use super::{Resctrl, ResctrlPlan, ResctrlRecord, Stats, stats, update};

/// A host with two cache domains and a group `gold` of somebody's.
struct Host {
    _dir: tempfile::TempDir,
    root: PathBuf,
}

impl Host {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().canonicalize().unwrap();
        let host = Self { _dir: dir, root };
        for (path, text) in [
            ("tasks", "1\n"),
            ("schemata", "    L3:0=ff;1=ff\n    MB:0=100;1=100\n"),
            ("info/last_cmd_status", "Mask out of range\n"),
            ("info/L3/cbm_mask", "ff\n"),
            ("info/L3/min_cbm_bits", "1\n"),
            ("info/L3/num_closids", "16\n"),
            ("info/MB/bandwidth_gran", "10\n"),
            ("info/MB/delay_linear", "1\n"),
            ("info/MB/min_bandwidth", "10\n"),
            ("info/MB/num_closids", "8\n"),
            (
                "info/L3_MON/mon_features",
                "llc_occupancy\nmbm_total_bytes\nmbm_local_bytes\n",
            ),
            ("gold/tasks", ""),
            ("gold/schemata", "    L3:0=0f;1=f0\n    MB:0= 20;1= 70\n"),
            ("gold/mon_groups/other/tasks", ""),
        ] {
            host.put(path, text);
        }
        host
    }

    fn put(&self, path: &str, text: &str) {
        let path = self.root.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn text(&self, path: &str) -> String {
        fs::read_to_string(self.root.join(path)).unwrap()
    }

    fn has(&self, path: &str) -> bool {
        self.root.join(path).exists()
    }

    fn plan(&self, group: &str, named: bool, shares: &[&str]) -> ResctrlPlan {
        ResctrlPlan {
            mount: self.root.to_str().unwrap().to_owned(),
            group: group.to_owned(),
            named,
            shares: shares.iter().map(|&line| line.to_owned()).collect(),
            schemata: Vec::new(),
            monitoring: None,
        }
    }

    fn make(&self, plan: &ResctrlPlan) -> Result<ResctrlRecord, String> {
        plan.make()
            .map_err(|error| error.to_string().replace(self.root.to_str().unwrap(), ""))
    }
}

#[test]
fn what_the_host_can_do_is_seen() {
    let host = Host::new();
    let found = Resctrl::at(host.root.to_str().unwrap().to_owned());
    assert!(found.cache && found.bandwidth && found.monitoring);
}

#[test]
fn a_group_of_its_own_is_made_written_joined_and_removed() {
    let host = Host::new();
    let plan = ResctrlPlan {
        schemata: vec!["L2:0=1".to_owned()],
        monitoring: Some("c1".to_owned()),
        ..host.plan("c1", false, &["L3:0=f", "MB:0=20"])
    };
    let foreseen = plan.foresee();
    let record = host.make(&plan).unwrap();
    assert_eq!(record, foreseen);
    assert_eq!(host.text("c1/schemata"), "L3:0=f\nMB:0=20\nL2:0=1\n");
    record.join(4711).unwrap();
    assert_eq!(host.text("c1/tasks"), "4711");
    assert_eq!(host.text("c1/mon_groups/c1/tasks"), "4711");
    assert!(record.exists());
    record.remove().unwrap();
    assert!(!host.has("c1") && !record.exists());
    // As after an unmount.
    record.remove().unwrap();
}

#[test]
fn a_named_group_is_made_and_stays() {
    let host = Host::new();
    let record = host.make(&host.plan("silver", true, &["L3:0=3"])).unwrap();
    record.remove().unwrap();
    assert_eq!(host.text("silver/schemata"), "L3:0=3\n");
}

#[test]
fn a_named_group_without_shares_has_to_be_there() {
    let host = Host::new();
    let record = host.make(&host.plan("gold", true, &[])).unwrap();
    assert!(!record.made);
    let words = host.make(&host.plan("lead", true, &[])).unwrap_err();
    assert!(words.starts_with("cannot join resctrl group /lead: no such file"));
    assert!(!host.has("lead"));
    host.make(&host.plan("", true, &[])).unwrap();
}

#[test]
fn a_named_group_has_to_have_the_shares() {
    let host = Host::new();
    let before = host.text("gold/schemata");
    let other = host.plan("gold", true, &["MB:0=20", "L3:0=ff;1=f0"]);
    assert_eq!(
        host.make(&other).unwrap_err(),
        "cannot join resctrl group /gold: it has L3:0=0f;1=f0, MB:0= 20;1= 70, \
         asked for is L3:0=ff;1=f0"
    );
    assert_eq!(host.text("gold/schemata"), before);
    let record = host
        .make(&host.plan("gold", true, &["L3:1=f0;0=f", "MB:0=15;1=70"]))
        .unwrap();
    assert!(!record.made);
    record.take_back().unwrap();
    assert!(host.has("gold"));
}

#[test]
fn only_the_own_monitoring_group_goes() {
    let host = Host::new();
    let plan = ResctrlPlan {
        monitoring: Some("c1".to_owned()),
        ..host.plan("gold", true, &[])
    };
    let record = host.make(&plan).unwrap();
    assert!(host.has("gold/mon_groups/c1/tasks"));
    record.remove().unwrap();
    assert!(!host.has("gold/mon_groups/c1") && host.has("gold/mon_groups/other"));
    // Somebody else's of that name is no dedicated one.
    let plan = ResctrlPlan {
        monitoring: Some("other".to_owned()),
        ..plan
    };
    assert_eq!(plan.foresee().monitoring, None);
    let words = host.make(&plan).unwrap_err();
    assert!(
        words.starts_with("cannot make /gold/mon_groups/other: file exists"),
        "{words}"
    );
    assert!(host.has("gold/mon_groups/other"));
}

#[test]
fn a_failure_takes_back_what_was_made_and_says_the_kernels_words() {
    let host = Host::new();
    // No such file comes with a group in the stand-in.
    let plan = ResctrlPlan {
        monitoring: Some("a/b".to_owned()),
        ..host.plan("c1", false, &["L3:0=f"])
    };
    assert_eq!(
        host.make(&plan).unwrap_err(),
        "cannot make /c1/mon_groups/a/b: no such file or directory \
         (last_cmd_status: Mask out of range)"
    );
    assert!(!host.has("c1"));
}

#[test]
fn a_named_group_that_others_use_by_now_is_not_taken_back() {
    let host = Host::new();
    let record = host.make(&host.plan("silver", true, &["L3:0=3"])).unwrap();
    host.put("silver/tasks", "99\n");
    record.take_back().unwrap();
    assert!(host.has("silver"));
    host.put("silver/tasks", "");
    record.take_back().unwrap();
    assert!(!host.has("silver"));
}

#[test]
fn a_folder_that_is_no_group_is_refused() {
    let host = Host::new();
    let words = host
        .make(&host.plan("info", false, &["L3:0=f"]))
        .unwrap_err();
    assert!(
        words.starts_with("cannot join resctrl group /info: "),
        "{words}"
    );
}

#[test]
fn an_update_writes_the_cache_first() {
    let host = Host::new();
    let record = host.make(&host.plan("c1", false, &[])).unwrap();
    update(&record, Some("L3:0=3"), Some("MB:0=50")).unwrap();
    assert_eq!(host.text("c1/schemata"), "L3:0=3\nMB:0=50\n");
    let error = update(&record, None, Some("50")).unwrap_err();
    assert_eq!(
        error.to_string(),
        "memBwSchema: \"50\" does not start with \"MB:\""
    );
}

#[test]
fn statistics_are_the_monitoring_groups() {
    let host = Host::new();
    let plan = ResctrlPlan {
        monitoring: Some("c1".to_owned()),
        ..host.plan("gold", true, &[])
    };
    let record = host.make(&plan).unwrap();
    for (domain, bytes) in [("mon_L3_01", "Unavailable\n"), ("mon_L3_00", "4096\n")] {
        for file in ["llc_occupancy", "mbm_total_bytes", "mbm_local_bytes"] {
            host.put(
                &format!("gold/mon_groups/c1/mon_data/{domain}/{file}"),
                bytes,
            );
        }
    }
    host.put(
        "gold/mon_groups/c1/mon_data/mon_PERF_PKG_00/core_energy",
        "1\n",
    );
    let seen: Stats = stats(&record).unwrap();
    let seen = serde_json::to_value(seen).unwrap();
    let wanted = serde_json::json!({
        "l3_cache_info": {"cbm_mask": "ff", "min_cbm_bits": 1, "num_closids": 16},
        "l3_cache_schema_root": "L3:0=ff;1=ff",
        "l3_cache_schema": "L3:0=0f;1=f0",
        "mem_bw_info": {
            "bandwidth_gran": 10, "delay_linear": 1, "min_bandwidth": 10, "num_closids": 8,
        },
        "mem_bw_schema_root": "MB:0=100;1=100",
        "mem_bw_schema": "MB:0= 20;1= 70",
        "schemata": ["L3:0=0f;1=f0", "MB:0= 20;1= 70"],
        "mbm_stats": [
            {"mbm_total_bytes": 4096, "mbm_local_bytes": 4096},
            {"mbm_total_bytes": 0, "mbm_local_bytes": 0},
        ],
        "cmt_stats": [{"llc_occupancy": 4096}, {"llc_occupancy": 0}],
    });
    assert_eq!(seen, wanted);
}
