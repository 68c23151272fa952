//! `list` and `state`.

use std::os::fd::OwnedFd;
use std::sync::Arc;

use super::load::document;
use crate::Result;
use crate::container::{ContainerId, StateDocument, StateRoot};
use crate::error::{Error, ErrorKind, StepError};
use crate::state::{StateDir, ids, open_root};
use crate::sys::Errno;
use crate::sys::sched::processors;

/// As many containers as are looked at before another thread, which costs as much as
/// two or three of them, is worth it.
const FEW: usize = 32;

/// More threads than these meet at the locks of the kernel's file systems.
const MOST_WORKERS: usize = 4;

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
    let top = Arc::new(top);
    let mut listing = Listing::default();
    let mut names = Owners::default();
    for read in look_at(&top, &ids(&top).map_err(failed)?) {
        match read {
            Ok((mut document, owner)) => {
                if let Some(uid) = owner {
                    document.owner = names.of(uid);
                }
                listing.containers.push(document);
            }
            // Deleted meanwhile.
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => listing.broken.push(error),
        }
    }
    Ok(listing)
}

/// As much of a container as the kernel and its record say, and whose it is.
type Seen = Result<(StateDocument, Option<u32>)>;

/// Looks at each in their order; at many of them by several threads, since most of
/// the time goes to system calls that do not wait for one another.
fn look_at(top: &Arc<OwnedFd>, ids: &[ContainerId]) -> Vec<Seen> {
    let workers = processors().min(MOST_WORKERS).min(ids.len() / FEW);
    if workers < 2 {
        return look_at_some(top, ids);
    }
    let share = ids.len().div_ceil(workers);
    std::thread::scope(|scope| {
        let mut shares = ids.chunks(share);
        let own = shares.next().unwrap_or_default();
        let others: Vec<_> = shares
            .map(|ids| {
                let worker =
                    std::thread::Builder::new().spawn_scoped(scope, || look_at_some(top, ids));
                (worker, ids)
            })
            .collect();
        let mut seen = look_at_some(top, own);
        for (worker, ids) in others {
            let theirs = worker.ok().and_then(|worker| worker.join().ok());
            // Where no thread is to be had, we do its share.
            seen.extend(theirs.unwrap_or_else(|| look_at_some(top, ids)));
        }
        seen
    })
}

fn look_at_some(top: &Arc<OwnedFd>, ids: &[ContainerId]) -> Vec<Seen> {
    let mut buffer = Vec::new();
    ids.iter()
        .map(|id| {
            let dir = StateDir::open_at(Arc::clone(top), id.clone())?;
            let document = document(&dir, &mut buffer)?;
            Ok((document, dir.owner().ok().map(|stat| stat.st_uid)))
        })
        .collect()
}

/// The state document of one container; its owner stays empty.
///
/// # Errors
/// `NotFound`.
pub fn state(root: &StateRoot, id: &str) -> Result<StateDocument> {
    document(&StateDir::open(root, id)?, &mut Vec::new())
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
