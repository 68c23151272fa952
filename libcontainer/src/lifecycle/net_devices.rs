//! Network devices on their way into the container, and back when it is not made
//! after all.

use std::os::fd::OwnedFd;
use std::rc::Rc;

use super::undo::Undo;
use crate::error::StepError;
use crate::network::{NetDevice, Passage};

/// Moves all of them into this network namespace. Of a container that fails they
/// are moved back before its process is killed: virtual devices would end with
/// its network namespace.
pub(super) fn move_in(
    devices: &[NetDevice],
    namespace: OwnedFd,
    undo: &mut Undo<'_>,
) -> Result<(), StepError> {
    let passage = Rc::new(Passage::open(namespace)?);
    for device in devices {
        let traveller = Rc::new(passage.find(device)?);
        let (back, kept) = (Rc::clone(&passage), Rc::clone(&traveller));
        undo.push(move || {
            if let Err(failed) = back.move_back(&kept) {
                log::warn!("{failed}");
            }
        });
        passage.move_in(&traveller)?;
    }
    Ok(())
}
