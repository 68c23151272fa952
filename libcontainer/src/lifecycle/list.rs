//! `list` and `state`.

use std::rc::Rc;

use super::load::document;
use crate::Result;
use crate::container::{StateDocument, StateRoot};
use crate::error::{Error, ErrorKind, StepError};
use crate::state::{StateDir, ids, open_root};
use crate::sys::Errno;

/// What `list` found: documents sorted by id, and a fault for each record that
/// could not be read.
#[derive(Debug, Default)]
pub struct Listing {
    /// The containers.
    pub containers: Vec<StateDocument>,
    /// What could not be read.
    pub broken: Vec<Error>,
}

/// All containers.
///
/// # Errors
/// `NotFound` for a root that the caller named and that is missing.
pub fn list(root: &StateRoot) -> Result<Listing> {
    let Some(top) = open_root(root)? else {
        if root.is_explicit() {
            let missing = StepError::new("open", root.path().display().to_string(), Errno::ENOENT);
            return Err(Error::new(ErrorKind::NotFound, missing.to_string()));
        }
        return Ok(Listing::default());
    };
    let failed = |errno| StepError::new("list", root.path().display().to_string(), errno);
    let top = Rc::new(top);
    let mut listing = Listing::default();
    let mut names = Owners::default();
    for id in ids(&top).map_err(failed)? {
        let read = StateDir::open_at(Rc::clone(&top), id).and_then(|dir| {
            let mut document = document(&dir)?;
            if let Ok(stat) = dir.owner() {
                document.owner = names.of(stat.st_uid);
            }
            Ok(document)
        });
        match read {
            Ok(document) => listing.containers.push(document),
            // Deleted meanwhile.
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => listing.broken.push(error),
        }
    }
    Ok(listing)
}

/// The state document of one container; its owner stays empty.
///
/// # Errors
/// `NotFound`.
pub fn state(root: &StateRoot, id: &str) -> Result<StateDocument> {
    document(&StateDir::open(root, id)?)
}

/// Names of users on this host, looked up once each.
#[derive(Debug, Default)]
struct Owners {
    passwd: Option<String>,
    last: Option<(u32, String)>,
}

impl Owners {
    fn of(&mut self, uid: u32) -> String {
        if let Some((known, name)) = &self.last
            && *known == uid
        {
            return name.clone();
        }
        let passwd = self
            .passwd
            .get_or_insert_with(|| std::fs::read_to_string("/etc/passwd").unwrap_or_default());
        let name = passwd
            .lines()
            .find_map(|line| {
                let mut fields = line.split(':');
                let name = fields.next()?;
                (fields.nth(1)?.parse() == Ok(uid)).then(|| name.to_owned())
            })
            .unwrap_or_else(|| format!("#{uid}"));
        self.last = Some((uid, name.clone()));
        name
    }
}

#[cfg(test)]
mod tests {
    use super::Owners;

    #[test]
    fn owners_have_names_or_numbers() {
        let mut owners = Owners {
            passwd: Some("root:x:0:0::/:\nbob:x:7:7::/:\n".to_owned()),
            last: None,
        };
        assert_eq!(owners.of(7), "bob");
        assert_eq!(owners.of(0), "root");
        assert_eq!(owners.of(8), "#8");
    }
}
