//! How often parts are graded: as often as somebody asks for it, and once where nobody does.

use std::collections::BTreeMap;

use tessera_types::timed::{Request, Requested, Timed};
use tessera_types::{Kind, Object, Resource, SessionPart, Uid, Write};

/// How often each part was asked to be graded.
#[derive(Debug, Default)]
pub(super) struct Gradings(BTreeMap<Uid, u32>);

impl Gradings {
    /// What was asked for once is done once.
    pub(super) fn take_in(
        &mut self,
        before: Option<&Resource>,
        write: &Write,
    ) -> Result<(), String> {
        let Write::Update { resource: Resource::SessionPart(part), .. } = write else {
            return Ok(());
        };
        let known = before.and_then(SessionPart::unwrap).and_then(|part| asked(part));
        let asked_for = self.0.entry(part.id).or_default();
        *asked_for += u32::from(asked(part).is_some_and(|asked| known != Some(asked)));
        let gradings = part.observed.gradings;
        match gradings > (*asked_for).max(1) {
            true => Err(format!(
                "{} is graded for the {gradings}th time, and {asked_for} were asked for",
                part.key()
            )),
            false => Ok(()),
        }
    }
}

fn asked(part: &Object<SessionPart>) -> Option<&Requested> {
    SessionPart::timed(part).requested(Request::Grade)
}
