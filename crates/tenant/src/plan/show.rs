//! A plan as it is printed before anything happens.

use std::fmt;

use super::{Conflict, Create, Plan, Reason, Seen};

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { create, already_ok, conflicting, set_aside, remove, enable, disable, .. } = self;
        list(f, "create", create)?;
        list(f, "already ok", already_ok)?;
        list(f, "conflicting", conflicting)?;
        let set_aside = set_aside.iter().map(|aside| format!("{} -> {}", aside.path, aside.backup));
        list(f, "set aside", &set_aside.collect::<Vec<_>>())?;
        list(f, "remove", remove)?;
        list(f, "enable", enable)?;
        list(f, "disable", disable)
    }
}

/// The first two lists are shown when they are empty, too: they are what people look for.
fn list(f: &mut fmt::Formatter<'_>, title: &str, items: &[impl fmt::Display]) -> fmt::Result {
    if items.is_empty() && !matches!(title, "create" | "conflicting") {
        return Ok(());
    }
    writeln!(f, "{title:<12} {}", items.len())?;
    items.iter().try_for_each(|item| writeln!(f, "  {item}"))
}

impl fmt::Display for Create {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} -> {}", self.path, self.target)?;
        self.replaces.as_ref().map_or(Ok(()), |old| write!(f, " (instead of {old})"))
    }
}

impl fmt::Display for Conflict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { path, found, reason } = self;
        write!(f, "{path} is {found}")?;
        match reason {
            Reason::InTheWay => Ok(()),
            Reason::BreaksFolder => {
                f.write_str(", and while it is there Quadlet drops the units beside it")
            }
            Reason::SameUnit(unit) => {
                write!(f, " that brings {unit}, too: rename or remove it, only one would be read")
            }
        }
    }
}

impl fmt::Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Link { target, dangling: false } => write!(f, "a link to {target}"),
            Self::Link { target, dangling: true } => {
                write!(f, "a link to {target}, which is not there")
            }
            Self::File => f.write_str("a file"),
            Self::Folder => f.write_str("a folder"),
        }
    }
}
