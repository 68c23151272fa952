//! The names of mount options and what they stand for (runtime-spec, "Mounts",
//! Linux mount options).

use super::{Attributes, Parameter, Propagation};
use crate::sys::mount::attr;

/// What one option name does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Meaning {
    /// Sets attributes of the mount.
    Set(u64),
    /// Clears attributes of the mount.
    Clear(u64),
    /// An access time setting: the field, and its value.
    Atime(u64),
    /// Takes an access time setting back, if it is this one.
    NotAtime(u64),
    /// Sets attributes of the mount and all below it.
    SetAll(u64),
    /// Clears attributes of the mount and all below it.
    ClearAll(u64),
    /// An access time setting of the mount and all below it.
    AtimeAll(u64),
    /// Takes the access time setting back to relatime, below too.
    NotAtimeAll,
    /// Propagation: the flag, and whether below too.
    Propagate(libc::c_ulong, bool),
    /// A flag of the superblock, by its name for fsconfig(2).
    Superblock(&'static str),
    /// A bind, and whether recursive.
    Bind(bool),
    /// A change of the mount that is there.
    Remount,
    /// Copy the directory's content up.
    CopyUp,
    /// Map ids, and whether below too.
    IdMap(bool),
    /// The default already.
    Nothing,
}

/// Every option name, sorted: what `features` prints.
pub const NAMES: [&str; 62] = {
    let mut names = [""; 62];
    let mut index = 0;
    while index < TABLE.len() {
        #[expect(clippy::indexing_slicing, reason = "the compiler checks it")]
        {
            names[index] = TABLE[index].0;
        }
        index += 1;
    }
    names
};

use Meaning::{
    Atime, AtimeAll, Bind, Clear, ClearAll, CopyUp, IdMap, NotAtime, NotAtimeAll, Nothing,
    Propagate, Remount, Set, SetAll, Superblock,
};

const TABLE: [(&str, Meaning); 62] = [
    ("async", Superblock("async")),
    ("atime", NotAtime(attr::NOATIME)),
    ("bind", Bind(false)),
    ("defaults", Nothing),
    ("dev", Clear(attr::NODEV)),
    ("diratime", Clear(attr::NODIRATIME)),
    ("dirsync", Superblock("dirsync")),
    ("exec", Clear(attr::NOEXEC)),
    ("idmap", IdMap(false)),
    ("iversion", Superblock("iversion")),
    ("lazytime", Superblock("lazytime")),
    ("loud", Nothing),
    ("mand", Superblock("mand")),
    ("noatime", Atime(attr::NOATIME)),
    ("nodev", Set(attr::NODEV)),
    ("nodiratime", Set(attr::NODIRATIME)),
    ("noexec", Set(attr::NOEXEC)),
    ("noiversion", Nothing),
    ("nolazytime", Superblock("nolazytime")),
    ("nomand", Superblock("nomand")),
    ("norelatime", NotAtime(0)),
    ("nostrictatime", NotAtime(attr::STRICTATIME)),
    ("nosuid", Set(attr::NOSUID)),
    ("nosymfollow", Set(attr::NOSYMFOLLOW)),
    ("private", Propagate(libc::MS_PRIVATE, false)),
    ("ratime", NotAtimeAll),
    ("rbind", Bind(true)),
    ("rdev", ClearAll(attr::NODEV)),
    ("rdiratime", ClearAll(attr::NODIRATIME)),
    ("relatime", Atime(0)),
    ("remount", Remount),
    ("rexec", ClearAll(attr::NOEXEC)),
    ("ridmap", IdMap(true)),
    ("rnoatime", AtimeAll(attr::NOATIME)),
    ("rnodev", SetAll(attr::NODEV)),
    ("rnodiratime", SetAll(attr::NODIRATIME)),
    ("rnoexec", SetAll(attr::NOEXEC)),
    ("rnorelatime", NotAtimeAll),
    ("rnostrictatime", NotAtimeAll),
    ("rnosuid", SetAll(attr::NOSUID)),
    ("rnosymfollow", SetAll(attr::NOSYMFOLLOW)),
    ("ro", Set(attr::RDONLY)),
    ("rprivate", Propagate(libc::MS_PRIVATE, true)),
    ("rrelatime", AtimeAll(0)),
    ("rro", SetAll(attr::RDONLY)),
    ("rrw", ClearAll(attr::RDONLY)),
    ("rshared", Propagate(libc::MS_SHARED, true)),
    ("rslave", Propagate(libc::MS_SLAVE, true)),
    ("rstrictatime", AtimeAll(attr::STRICTATIME)),
    ("rsuid", ClearAll(attr::NOSUID)),
    ("rsymfollow", ClearAll(attr::NOSYMFOLLOW)),
    ("runbindable", Propagate(libc::MS_UNBINDABLE, true)),
    ("rw", Clear(attr::RDONLY)),
    ("shared", Propagate(libc::MS_SHARED, false)),
    ("silent", Superblock("silent")),
    ("slave", Propagate(libc::MS_SLAVE, false)),
    ("strictatime", Atime(attr::STRICTATIME)),
    ("suid", Clear(attr::NOSUID)),
    ("symfollow", Clear(attr::NOSYMFOLLOW)),
    ("sync", Superblock("sync")),
    ("tmpcopyup", CopyUp),
    ("unbindable", Propagate(libc::MS_UNBINDABLE, false)),
];

/// The options of one mount, taken apart.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Options {
    /// A bind is asked for, and whether a recursive one.
    pub bind: Option<bool>,
    /// A change of the mount that is there.
    pub remount: bool,
    /// Copy the directory's content up.
    pub copy_up: bool,
    /// Map ids, and whether below too.
    pub id_map: Option<bool>,
    /// The mappings that the option itself names, if any.
    pub id_map_value: Option<String>,
    /// The mount's attributes.
    pub attributes: Attributes,
    /// The attributes of it and of all below it.
    pub recursive: Attributes,
    /// Its propagation.
    pub propagation: Vec<Propagation>,
    /// What the file system is given: flags of the superblock and all that is no
    /// option of ours.
    pub parameters: Vec<Parameter>,
}

impl Options {
    /// Takes a list apart; a later option wins over an earlier one.
    #[must_use]
    pub fn parse(list: &[String]) -> Self {
        let mut options = Self::default();
        for option in list {
            options.take(option);
        }
        options
    }

    fn take(&mut self, option: &str) {
        let Ok(index) = TABLE.binary_search_by(|(name, _)| (*name).cmp(option)) else {
            self.take_unlisted(option);
            return;
        };
        let Some((_, meaning)) = TABLE.get(index) else {
            return;
        };
        match *meaning {
            Set(bits) => self.attributes.turn_on(bits),
            Clear(bits) => self.attributes.turn_off(bits),
            Atime(value) => self.attributes.access_time(value),
            NotAtime(value) => self.attributes.no_access_time(value),
            SetAll(bits) => self.recursive.turn_on(bits),
            ClearAll(bits) => self.recursive.turn_off(bits),
            AtimeAll(value) => self.recursive.access_time(value),
            NotAtimeAll => self.recursive.access_time(0),
            #[expect(
                clippy::useless_conversion,
                reason = "the width of c_ulong is the target's"
            )]
            Propagate(flag, recursive) => self.propagation.push(Propagation {
                flag: flag.into(),
                recursive,
            }),
            Superblock(key) => self.parameters.push(Parameter {
                key: key.to_owned(),
                value: None,
            }),
            // Both together are recursive, in any order: so runc and crun have it.
            Bind(recursive) => self.bind = Some(recursive || self.bind == Some(true)),
            Remount => self.remount = true,
            CopyUp => self.copy_up = true,
            IdMap(recursive) => self.id_map = Some(recursive),
            Nothing => {}
        }
    }
}

impl Options {
    /// `idmap=MAPPINGS`, or a parameter of the file system.
    fn take_unlisted(&mut self, option: &str) {
        let mappings = match option.split_once('=') {
            Some(("idmap", value)) => Some((false, value)),
            Some(("ridmap", value)) => Some((true, value)),
            _ => None,
        };
        match mappings {
            Some((recursive, value)) => {
                self.id_map = Some(recursive);
                self.id_map_value = Some(value.to_owned());
            }
            None => self.parameters.extend(parameters(option)),
        }
    }
}

impl Attributes {
    fn turn_on(&mut self, bits: u64) {
        self.set |= bits;
        self.clear &= !bits;
    }

    fn turn_off(&mut self, bits: u64) {
        self.clear |= bits;
        self.set &= !bits;
    }

    /// The access time settings exclude each other: the kernel wants the whole
    /// field cleared when one is set (mount_setattr(2)).
    fn access_time(&mut self, value: u64) {
        self.set = self.set & !attr::ATIME | value;
        self.clear |= attr::ATIME;
    }

    /// Takes this access time setting back; the source's stays in force then.
    fn no_access_time(&mut self, value: u64) {
        if self.set & attr::ATIME == value {
            self.set &= !attr::ATIME;
            self.clear &= !attr::ATIME;
        }
    }
}

/// `a=b` or `c`, and several of them with commas between, where a backslash
/// keeps a comma in the value (overlayfs), and so do quotes around one (labels of
/// `SELinux`).
fn parameters(option: &str) -> Vec<Parameter> {
    let mut parts = vec![String::new()];
    let (mut escaped, mut quoted) = (false, false);
    for letter in option.chars() {
        quoted ^= letter == '"' && !escaped;
        if letter == ',' && !escaped && !quoted {
            parts.push(String::new());
            continue;
        }
        escaped = letter == '\\' && !escaped;
        if let Some(part) = parts.last_mut() {
            part.push(letter);
        }
    }
    parts
        .into_iter()
        .filter(|part| !part.is_empty())
        .map(|part| match part.split_once('=') {
            Some((key, value)) => Parameter {
                key: key.to_owned(),
                value: Some(value.to_owned()),
            },
            None => Parameter {
                key: part,
                value: None,
            },
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::{Options, Parameter, TABLE};
    use crate::mounts::{Attributes, Propagation};
    use crate::sys::mount::attr;

    fn parse(list: &[&str]) -> Options {
        let list: Vec<String> = list.iter().map(|&option| option.to_owned()).collect();
        Options::parse(&list)
    }

    fn parameter(key: &str, value: Option<&str>) -> Parameter {
        Parameter {
            key: key.to_owned(),
            value: value.map(ToOwned::to_owned),
        }
    }

    #[test]
    fn quotes_keep_commas() {
        let options = parse(&["size=1k,context=\"u:o:t:s0:c1,c2\",mode=700"]);
        let wanted = [
            parameter("size", Some("1k")),
            parameter("context", Some("\"u:o:t:s0:c1,c2\"")),
            parameter("mode", Some("700")),
        ];
        assert_eq!(options.parameters, wanted);
    }

    #[test]
    fn the_table_is_sorted() {
        assert!(TABLE.is_sorted_by(|a, b| a.0 < b.0));
    }

    #[test]
    fn later_options_win() {
        let options = parse(&["ro", "nosuid", "rw"]);
        let expected = Attributes {
            set: attr::NOSUID,
            clear: attr::RDONLY,
        };
        assert_eq!(options.attributes, expected);
    }

    #[test]
    fn access_times_exclude_each_other() {
        let options = parse(&["noatime", "strictatime"]);
        assert_eq!(options.attributes.set, attr::STRICTATIME);
        assert_eq!(options.attributes.clear, attr::ATIME);
        assert!(parse(&["noatime", "atime"]).attributes.is_empty());
        assert_eq!(
            parse(&["noatime", "norelatime"]).attributes.set,
            attr::NOATIME
        );
        assert_eq!(parse(&["relatime"]).attributes.clear, attr::ATIME);
        assert_eq!(parse(&["rnoatime"]).recursive.set, attr::NOATIME);
    }

    #[test]
    fn what_is_no_option_is_the_file_systems() {
        let options = parse(&["size=64k,mode=755", "lowerdir=/a\\,b:/c", "newinstance"]);
        assert_eq!(
            options.parameters,
            [
                parameter("size", Some("64k")),
                parameter("mode", Some("755")),
                parameter("lowerdir", Some("/a\\,b:/c")),
                parameter("newinstance", None),
            ]
        );
    }

    #[test]
    fn id_mappings_may_have_a_value() {
        let options = parse(&["bind", "ridmap=uids=0-1-2#3-4-5;gids=0-1-2"]);
        assert_eq!(options.id_map, Some(true));
        let value = options.id_map_value.as_deref();
        assert_eq!(value, Some("uids=0-1-2#3-4-5;gids=0-1-2"));
        assert!(options.parameters.is_empty());
        assert_eq!(parse(&["idmap"]).id_map, Some(false));
        assert_eq!(parse(&["idmap"]).id_map_value, None);
    }

    #[test]
    fn binds_and_propagation_are_kept_apart() {
        let options = parse(&["rbind", "rprivate", "rro"]);
        assert_eq!(options.bind, Some(true));
        assert_eq!(parse(&["rbind", "bind"]).bind, Some(true));
        assert_eq!(parse(&["bind"]).bind, Some(false));
        assert_eq!(
            options.propagation,
            [Propagation {
                flag: libc::MS_PRIVATE,
                recursive: true
            }]
        );
        assert_eq!(options.recursive.set, attr::RDONLY);
        assert!(options.attributes.is_empty());
    }
}
