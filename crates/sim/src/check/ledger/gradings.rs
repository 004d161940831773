//! How often parts are graded: as often as somebody asks for it, and once where nobody does.

use std::collections::BTreeMap;

use tessera_types::timed::{Request, Requested, Timed};
use tessera_types::{Kind, Object, Resource, SessionPart, Uid, Write};

/// How often each part was asked to be graded, and how often it was.
#[derive(Debug, Default)]
pub(super) struct Gradings(BTreeMap<Uid, Count>);

#[derive(Debug, Default)]
struct Count {
    asked: u32,
    /// While a request was waiting.
    served: u32,
    /// As its window was over.
    unasked: u32,
}

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
        let before = before.and_then(SessionPart::unwrap);
        let known = before.and_then(|part| asked(part));
        let count = self.0.entry(part.id).or_default();
        count.asked += u32::from(asked(part).is_some_and(|asked| known != Some(asked)));
        if before.is_some_and(|before| before.observed.gradings < part.observed.gradings) {
            match known {
                Some(_) => count.served += 1,
                None => count.unasked += 1,
            }
        }
        match count.served > count.asked || count.unasked > 1 {
            true => Err(format!("{} is graded too often: {count:?}", part.key())),
            false => Ok(()),
        }
    }
}

fn asked(part: &Object<SessionPart>) -> Option<&Requested> {
    SessionPart::timed(part).requested(Request::Grade)
}
