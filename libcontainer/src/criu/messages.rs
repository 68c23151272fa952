//! The messages that CRIU speaks, with the fields that we use alone. Numbers and
//! types are those of its interface (criu.org, "RPC"); a field that is not named
//! here is skipped when it comes.

use prost::{Enumeration, Message};

/// What is asked for, and what is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enumeration)]
#[repr(i32)]
pub(super) enum Kind {
    Empty = 0,
    Dump = 1,
    Restore = 2,
    Check = 3,
    PreDump = 4,
    PageServer = 5,
    Notify = 6,
    CpuinfoDump = 7,
    CpuinfoCheck = 8,
    FeatureCheck = 9,
    Version = 10,
}

/// A request.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Request {
    #[prost(enumeration = "Kind", required, tag = "1")]
    pub(super) kind: i32,
    #[prost(message, optional, tag = "2")]
    pub(super) options: Option<Options>,
    /// The answer to a notification.
    #[prost(bool, optional, tag = "3")]
    pub(super) notify_success: Option<bool>,
    /// Stay for another request.
    #[prost(bool, optional, tag = "4")]
    pub(super) keep_open: Option<bool>,
    #[prost(message, optional, tag = "5")]
    pub(super) features: Option<Features>,
}

/// An answer, or a notification.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Response {
    #[prost(enumeration = "Kind", required, tag = "1")]
    pub(super) kind: i32,
    #[prost(bool, required, tag = "2")]
    pub(super) success: bool,
    #[prost(message, optional, tag = "5")]
    pub(super) notify: Option<Notify>,
    #[prost(int32, optional, tag = "7")]
    pub(super) errno: Option<i32>,
    #[prost(message, optional, tag = "8")]
    pub(super) features: Option<Features>,
    /// CRIU's own words, where it has some.
    #[prost(string, optional, tag = "9")]
    pub(super) message: Option<String>,
    #[prost(message, optional, tag = "10")]
    pub(super) version: Option<VersionNumbers>,
}

/// A step that CRIU has come to.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Notify {
    #[prost(string, optional, tag = "1")]
    pub(super) script: Option<String>,
    #[prost(int32, optional, tag = "2")]
    pub(super) pid: Option<i32>,
}

/// What the kernel and CRIU can do.
#[derive(Clone, Copy, PartialEq, Eq, Message)]
pub(crate) struct Features {
    #[prost(bool, optional, tag = "1")]
    pub(crate) mem_track: Option<bool>,
    #[prost(bool, optional, tag = "2")]
    pub(crate) lazy_pages: Option<bool>,
}

/// CRIU's version.
#[derive(Clone, PartialEq, Message)]
pub(super) struct VersionNumbers {
    #[prost(int32, required, tag = "1")]
    pub(super) major: i32,
    #[prost(int32, required, tag = "2")]
    pub(super) minor: i32,
    #[prost(string, optional, tag = "3")]
    pub(super) git_id: Option<String>,
    #[prost(int32, optional, tag = "4")]
    pub(super) sublevel: Option<i32>,
}

/// What a dump or a restore goes by.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Options {
    #[prost(int32, required, tag = "1")]
    pub(super) images_dir_fd: i32,
    #[prost(int32, optional, tag = "2")]
    pub(super) pid: Option<i32>,
    #[prost(bool, optional, tag = "3")]
    pub(super) leave_running: Option<bool>,
    #[prost(bool, optional, tag = "4")]
    pub(super) ext_unix_sk: Option<bool>,
    #[prost(bool, optional, tag = "5")]
    pub(super) tcp_established: Option<bool>,
    #[prost(bool, optional, tag = "6")]
    pub(super) evasive_devices: Option<bool>,
    #[prost(bool, optional, tag = "7")]
    pub(super) shell_job: Option<bool>,
    #[prost(bool, optional, tag = "8")]
    pub(super) file_locks: Option<bool>,
    #[prost(int32, optional, tag = "9")]
    pub(super) log_level: Option<i32>,
    #[prost(string, optional, tag = "10")]
    pub(super) log_file: Option<String>,
    #[prost(message, optional, tag = "11")]
    pub(super) page_server: Option<PageServerAddress>,
    #[prost(bool, optional, tag = "12")]
    pub(super) notify_scripts: Option<bool>,
    #[prost(string, optional, tag = "13")]
    pub(super) root: Option<String>,
    #[prost(string, optional, tag = "14")]
    pub(super) parent_img: Option<String>,
    #[prost(bool, optional, tag = "15")]
    pub(super) track_mem: Option<bool>,
    #[prost(bool, optional, tag = "16")]
    pub(super) auto_dedup: Option<bool>,
    #[prost(int32, optional, tag = "17")]
    pub(super) work_dir_fd: Option<i32>,
    #[prost(bool, optional, tag = "18")]
    pub(super) link_remap: Option<bool>,
    #[prost(message, repeated, tag = "23")]
    pub(super) ext_mnt: Vec<ExternalMount>,
    /// From before the mode below.
    #[prost(bool, optional, tag = "24")]
    pub(super) manage_cgroups: Option<bool>,
    #[prost(message, repeated, tag = "25")]
    pub(super) cg_root: Vec<CgroupRoot>,
    #[prost(bool, optional, tag = "26")]
    pub(super) rst_sibling: Option<bool>,
    #[prost(message, repeated, tag = "27")]
    pub(super) inherit_fd: Vec<InheritFd>,
    #[prost(uint32, optional, tag = "34")]
    pub(super) manage_cgroups_mode: Option<u32>,
    #[prost(string, repeated, tag = "37")]
    pub(super) external: Vec<String>,
    /// `CLONE_NEW*` flags.
    #[prost(uint32, optional, tag = "38")]
    pub(super) empty_ns: Option<u32>,
    #[prost(message, repeated, tag = "39")]
    pub(super) join_ns: Vec<JoinNamespace>,
    #[prost(string, optional, tag = "44")]
    pub(super) freeze_cgroup: Option<String>,
    #[prost(bool, optional, tag = "46")]
    pub(super) tcp_skip_in_flight: Option<bool>,
    #[prost(bool, optional, tag = "48")]
    pub(super) lazy_pages: Option<bool>,
    #[prost(bool, optional, tag = "50")]
    pub(super) orphan_pts_master: Option<bool>,
    #[prost(string, optional, tag = "51")]
    pub(super) config_file: Option<String>,
    #[prost(bool, optional, tag = "52")]
    pub(super) tcp_close: Option<bool>,
    #[prost(string, optional, tag = "53")]
    pub(super) lsm_profile: Option<String>,
    #[prost(string, optional, tag = "63")]
    pub(super) lsm_mount_context: Option<String>,
    #[prost(uint32, optional, tag = "64")]
    pub(super) network_lock: Option<u32>,
}

/// Where pages are sent to.
#[derive(Clone, PartialEq, Eq, Message)]
pub(super) struct PageServerAddress {
    #[prost(string, optional, tag = "1")]
    pub(super) address: Option<String>,
    #[prost(int32, optional, tag = "2")]
    pub(super) port: Option<i32>,
}

/// A mount whose source is outside: its mount point and its name in the images
/// at a dump, that name and the source at a restore.
#[derive(Clone, PartialEq, Eq, Message)]
pub(crate) struct ExternalMount {
    #[prost(string, required, tag = "1")]
    pub(super) key: String,
    #[prost(string, required, tag = "2")]
    pub(super) val: String,
}

/// Where the cgroups of the images go.
#[derive(Clone, PartialEq, Eq, Message)]
pub(crate) struct CgroupRoot {
    #[prost(string, optional, tag = "1")]
    pub(super) ctrl: Option<String>,
    #[prost(string, required, tag = "2")]
    pub(super) path: String,
}

/// A descriptor of CRIU's in place of one in the images.
#[derive(Clone, PartialEq, Eq, Message)]
pub(crate) struct InheritFd {
    #[prost(string, required, tag = "1")]
    pub(super) key: String,
    #[prost(int32, required, tag = "2")]
    pub(super) fd: i32,
}

/// A namespace to be joined in place of one in the images.
#[derive(Clone, PartialEq, Eq, Message)]
pub(crate) struct JoinNamespace {
    #[prost(string, required, tag = "1")]
    pub(super) ns: String,
    #[prost(string, required, tag = "2")]
    pub(super) ns_file: String,
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a failed set-up fails the test")]
mod tests {
    use super::{Kind, Options, Request, Response};
    use prost::Message;

    /// Bytes as the protocol's encoding has them, worked out by hand: a key is
    /// the number times 8 and the wire type.
    #[test]
    fn a_request_has_its_bytes() {
        let request = Request {
            kind: Kind::Dump.into(),
            options: Some(Options {
                images_dir_fd: 5,
                log_file: Some("l".to_owned()),
                lsm_mount_context: Some("c".to_owned()),
                ..Options::default()
            }),
            ..Request::default()
        };
        let options = [0x08, 5, 0x52, 1, b'l', 0xfa, 0x03, 1, b'c'];
        let mut wanted = vec![0x08, 1, 0x12, 9];
        wanted.extend(options);
        assert_eq!(request.encode_to_vec(), wanted);
    }

    #[test]
    fn an_answer_is_read_and_the_unknown_skipped() {
        let bytes = [
            0x08, 6, 0x10, 1, 0x2a, 8, 0x0a, 4, b'p', b'o', b's', b't', 0x10, 7, 0x58, 3,
        ];
        let answer = Response::decode(&bytes[..]).unwrap();
        assert_eq!(answer.kind, i32::from(Kind::Notify));
        assert!(answer.success);
        let notify = answer.notify.unwrap();
        assert_eq!(notify.script.as_deref(), Some("post"));
        assert_eq!(notify.pid, Some(7));
    }
}
