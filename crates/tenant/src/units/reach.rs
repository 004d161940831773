//! How far a unit that is written by hand reaches: a tenant's units start and stop the tenant, and
//! nobody else.

use tessera_manifest::quoted;

/// Something in a unit that reaches further, or not far enough.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reach {
    /// The line it is in, from 1; none where something is missing.
    pub line: Option<usize>,
    /// What is wrong, and what to do.
    pub message: String,
}

/// What is wrong with how far the unit of this file reaches.
///
/// `systemctl enable` and `disable` follow `Also=` and `Alias=`, so what is done with one tenant
/// would be done to others; and one that enables a service would have it started twice.
#[must_use]
pub fn reach(file: &str, text: &str) -> Vec<Reach> {
    let at = |line, message: &str| Reach { line: Some(line), message: message.to_owned() };
    let Some(name) = file.strip_suffix(".timer") else {
        let install = lines(text).find(|line| line.section == "Install" && line.key.is_empty());
        let message = "[Install] belongs in timers only, which start the tenant: remove it";
        return install.map(|line| at(line.number, message)).into_iter().collect();
    };
    let mut wrong = Vec::new();
    if !lines(text).any(|line| line.section == "Install") {
        let message = "a timer without [Install] cannot be enabled: \
                       add [Install] with WantedBy=timers.target";
        wrong.push(Reach { line: None, message: message.to_owned() });
    }
    for Line { number, section, key, value } in lines(text) {
        match (section, key) {
            ("Install", "Also" | "Alias" | "DefaultInstance") => {
                let message = format!("{key}= enables and disables other units, too: remove it");
                wrong.push(Reach { line: Some(number), message });
            }
            ("Timer", "Unit") if value != format!("{name}.service") => {
                let message = format!(
                    "it starts {}: a timer starts the service of its own name, {name}.service",
                    quoted(value)
                );
                wrong.push(Reach { line: Some(number), message });
            }
            _ => {}
        }
    }
    wrong
}

/// A line of a unit: one that opens a section has no key.
struct Line<'t> {
    number: usize,
    section: &'t str,
    key: &'t str,
    value: &'t str,
}

fn lines(text: &str) -> impl Iterator<Item = Line<'_>> {
    let mut section = "";
    text.lines().enumerate().filter_map(move |(index, line)| {
        let (number, line) = (index + 1, line.trim());
        if let Some(name) = line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
            section = name;
            return Some(Line { number, section, key: "", value: "" });
        }
        let (key, value) = line.split_once('=')?;
        Some(Line { number, section, key: key.trim_end(), value: value.trim_start() })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(file: &str, text: &str) -> Vec<String> {
        let line = |reach: &Reach| reach.line.map_or(String::new(), |line| format!("{line}: "));
        reach(file, text).iter().map(|it| format!("{}{}", line(it), it.message)).collect()
    }

    #[test]
    fn a_timer_starts_its_own_service_and_enables_itself_alone() {
        let timer = "# Also=\n[Timer]\nOnCalendar=daily\nUnit=circ.service\n\
                     [Install]\nWantedBy=timers.target\n";
        assert_eq!(found("circ.timer", timer), [""; 0]);
        let others =
            "[Timer]\n Unit = other.service\n[Install]\nAlso=a.timer b.timer\nAlias=c.timer";
        assert_eq!(
            found("circ.timer", others),
            [
                "2: it starts `other.service`: a timer starts the service of its own name, \
                 circ.service",
                "4: Also= enables and disables other units, too: remove it",
                "5: Alias= enables and disables other units, too: remove it",
            ]
        );
    }

    #[test]
    fn timers_are_enabled_and_nothing_else_is() {
        assert_eq!(found("circ.service", "[Service]\nExecStart=true\n"), [""; 0]);
        let service = found("circ.service", "[Service]\n\n[Install]\nAlso=x\n");
        let message = "3: [Install] belongs in timers only, which start the tenant: remove it";
        assert_eq!(service, [message]);
        assert!(found("circ.timer", "[Timer]\n")[0].starts_with("a timer without [Install]"));
    }
}
