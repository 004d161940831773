//! A plan as it is printed before anything happens.

use std::fmt;

use super::{Conflict, Create, Erase, Found, Left, Plan, Reason, Seen, Write};

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { create, already_ok, conflicting, set_aside, remove, enable, disable, .. } = self;
        let Self { write, erase, restart, stop, .. } = self;
        list(f, "create", create)?;
        list(f, "changed", &self.changed().collect::<Vec<_>>())?;
        list(f, "already ok", already_ok)?;
        list(f, "conflicting", conflicting)?;
        let set_aside = set_aside.iter().map(|aside| format!("{} -> {}", aside.path, aside.backup));
        list(f, "set aside", &set_aside.collect::<Vec<_>>())?;
        list(f, "remove", remove)?;
        list(f, "erase", erase)?;
        // One that only stood still goes on where it was.
        let started = |timer: &String| match self.anew.contains(timer) {
            true => timer.clone(),
            false => format!("{timer} (if it has missed a run, the tenant runs at once)"),
        };
        list(f, "enable", &enable.iter().map(started).collect::<Vec<_>>())?;
        list(f, "restart", &restart.iter().map(started).collect::<Vec<_>>())?;
        list(f, "disable", disable)?;
        list(f, "stop", stop)?;
        let quiet = write.is_empty() && create.is_empty() && remove.is_empty();
        if self.reload && quiet {
            writeln!(f, "reload       systemd has not read what is on the disk")?;
        }
        Ok(())
    }
}

/// What is in the way is shown when it is nothing, too: it is what people look for.
fn list(f: &mut fmt::Formatter<'_>, title: &str, items: &[impl fmt::Display]) -> fmt::Result {
    if items.is_empty() && title != "conflicting" {
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

impl fmt::Display for Write {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.path)?;
        match (self.found, &self.backup) {
            (Found::Nothing, _) => f.write_str(" (it is not there)"),
            (Found::Earlier, _) => Ok(()),
            (Found::Edited, None) => f.write_str(" (edited by hand)"),
            (Found::Edited, Some(backup)) => write!(f, " (edited by hand; to be kept as {backup})"),
        }
    }
}

impl fmt::Display for Erase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.path)?;
        self.backup
            .as_ref()
            .map_or(Ok(()), |kept| write!(f, " (edited by hand; to be kept as {kept})"))
    }
}

impl fmt::Display for Left {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { path, found } = self;
        write!(f, "{path} is {found} that Tessera did not make: it is left, --force renames it")
    }
}

impl fmt::Display for Conflict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { path, found, reason } = self;
        if let Reason::Running(unit) = reason {
            return write!(f, "{unit} is running");
        }
        write!(f, "{path} is {found}")?;
        match reason {
            Reason::InTheWay | Reason::Running(_) => Ok(()),
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
