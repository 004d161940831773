//! The rules of a workload's spec that its shape does not express.

use super::spec::{Backoff, Constraint, HealthCheck, Mount, Port, Restart, Stop, WorkloadSpec};
use crate::limits;
use crate::time::Duration;
use crate::validate::{Invalid, Validate, check_len};

/// Longest pause, grace and start period. A day is more than any needs.
const PERIOD_MAX: Duration = Duration::from_secs(24 * 3600);
/// Shortest time between two health checks.
const INTERVAL_MIN: Duration = Duration::from_millis(100);

impl Validate for WorkloadSpec {
    fn validate(&self, path: &str, problems: &mut Vec<Invalid>) {
        validate_what_runs(self, path, problems);
        validate_environment(self, path, problems);
        self.restart.validate(&format!("{path}.restart"), problems);
        self.stop.validate(&format!("{path}.stop"), problems);
        if let Some(health) = &self.health {
            health.validate(&format!("{path}.health"), problems);
        }
        check_len(
            &format!("{path}.constraints"),
            self.constraints.len(),
            limits::LIST_MAX,
            problems,
        );
        for (i, constraint) in self.constraints.iter().enumerate() {
            constraint.validate(&format!("{path}.constraints[{i}]"), problems);
        }
        validate_ports(self, path, problems);
        validate_mounts(self, path, problems);
        if let (Some(start), Some(end)) = (self.not_before, self.not_after)
            && start >= end
        {
            problems.push(Invalid::new(
                &format!("{path}.not_after"),
                format!(
                    "the window is empty: not_after ({end}) must be later than not_before ({start})"
                ),
            ));
        }
    }
}

fn validate_what_runs(spec: &WorkloadSpec, path: &str, problems: &mut Vec<Invalid>) {
    match (&spec.command, &spec.image) {
        (None, None) => problems.push(Invalid::new(
            path,
            "there is nothing to run: give `command` (a process) or `image` (a container)",
        )),
        (Some(command), _) if command.is_empty() => {
            problems.push(Invalid::new(&format!("{path}.command"), "a command cannot be empty"));
        }
        (_, Some(image)) if image.is_empty() || image.contains(char::is_whitespace) => {
            problems.push(Invalid::new(
                &format!("{path}.image"),
                "an image is written as `name:tag` or `registry/name:tag`",
            ));
        }
        _ => {}
    }
    if let Some(dir) = spec.working_dir.as_ref().filter(|dir| !dir.starts_with('/')) {
        problems.push(Invalid::new(
            &format!("{path}.working_dir"),
            format!("`{dir}` must be an absolute path"),
        ));
    }
    check_len(&format!("{path}.args"), spec.args.len(), limits::ARGS_MAX, problems);
    let texts = spec.command.iter().chain(&spec.args).chain(&spec.working_dir).chain(&spec.image);
    if texts.into_iter().any(|text| text.contains('\0')) {
        problems.push(Invalid::new(path, "a command line cannot contain the character NUL"));
    }
}

fn validate_environment(spec: &WorkloadSpec, path: &str, problems: &mut Vec<Invalid>) {
    check_len(&format!("{path}.env"), spec.env.len(), limits::ENV_MAX, problems);
    for (name, value) in &spec.env {
        // The value may be a secret: it is never repeated.
        if name.is_empty() || name.contains(['=', '\0']) || value.contains('\0') {
            problems.push(Invalid::new(
                &format!("{path}.env"),
                format!(
                    "the variable `{}` has an empty name, or contains `=` or NUL",
                    limits::clip(name, 40)
                ),
            ));
        }
    }
}

fn validate_ports(spec: &WorkloadSpec, path: &str, problems: &mut Vec<Invalid>) {
    check_len(&format!("{path}.ports"), spec.ports.len(), limits::LIST_MAX, problems);
    for (i, port) in spec.ports.iter().enumerate() {
        let at = format!("{path}.ports[{i}]");
        port.validate(&at, problems);
        if spec.image.is_none() && port.host_port.is_some_and(|host| host != port.port) {
            problems.push(Invalid::new(
                &format!("{at}.host_port"),
                "a process listens on its port itself: `host_port` is for containers",
            ));
        }
    }
    let mut taken: Vec<_> = spec.host_ports().collect();
    taken.sort_unstable();
    for pair in taken.windows(2).filter(|pair| pair[0] == pair[1]) {
        let (port, protocol) = pair[0];
        problems.push(Invalid::new(
            &format!("{path}.ports"),
            format!("port {port}/{protocol} of the node is listed twice"),
        ));
    }
}

fn validate_mounts(spec: &WorkloadSpec, path: &str, problems: &mut Vec<Invalid>) {
    check_len(&format!("{path}.mounts"), spec.mounts.len(), limits::LIST_MAX, problems);
    if spec.image.is_none() && !spec.mounts.is_empty() {
        problems.push(Invalid::new(
            &format!("{path}.mounts"),
            "a process sees the node's files as they are: mounts are for containers (`image`)",
        ));
    }
    for (i, mount) in spec.mounts.iter().enumerate() {
        mount.validate(&format!("{path}.mounts[{i}]"), problems);
    }
}

impl Validate for Port {
    fn validate(&self, path: &str, problems: &mut Vec<Invalid>) {
        for (field, port) in [("port", Some(self.port)), ("host_port", self.host_port)] {
            if port == Some(0) {
                problems
                    .push(Invalid::new(&format!("{path}.{field}"), "a port is from 1 to 65535"));
            }
        }
    }
}

impl Validate for Mount {
    fn validate(&self, path: &str, problems: &mut Vec<Invalid>) {
        for (field, value) in [("source", &self.source), ("target", &self.target)] {
            if !value.starts_with('/') || value.contains([':', '\0']) {
                problems.push(Invalid::new(
                    &format!("{path}.{field}"),
                    format!("`{}` must be an absolute path without `:`", limits::clip(value, 80)),
                ));
            }
        }
    }
}

impl Validate for Constraint {
    fn validate(&self, path: &str, problems: &mut Vec<Invalid>) {
        if self.label.is_empty() {
            problems.push(Invalid::new(&format!("{path}.label"), "a label's key cannot be empty"));
        }
        let given = [
            self.equal.is_some(),
            self.not_equal.is_some(),
            self.one_of.is_some(),
            self.exists.is_some(),
        ];
        if given.into_iter().filter(|given| *given).count() != 1 {
            problems.push(Invalid::new(
                path,
                "a constraint has exactly one of `equal`, `not_equal`, `in` and `exists`",
            ));
        }
        if self.one_of.as_ref().is_some_and(Vec::is_empty) {
            problems.push(Invalid::new(
                &format!("{path}.in"),
                "an empty set is never met: name at least one value",
            ));
        }
    }
}

impl Validate for Restart {
    fn validate(&self, path: &str, problems: &mut Vec<Invalid>) {
        self.backoff.validate(&format!("{path}.backoff"), problems);
        if self.attempts_max == Some(0) {
            problems.push(Invalid::new(
                &format!("{path}.attempts_max"),
                "at least 1; for no restart at all write `policy: never`",
            ));
        }
    }
}

impl Validate for Backoff {
    fn validate(&self, path: &str, problems: &mut Vec<Invalid>) {
        at_most(&format!("{path}.max"), self.max, problems);
        at_most(&format!("{path}.reset_after"), self.reset_after, problems);
        if self.initial == Duration::ZERO || self.initial > self.max {
            problems.push(Invalid::new(
                &format!("{path}.initial"),
                format!("the first pause must be more than 0s and at most `max` ({})", self.max),
            ));
        }
    }
}

impl Validate for Stop {
    fn validate(&self, path: &str, problems: &mut Vec<Invalid>) {
        at_most(&format!("{path}.grace"), self.grace, problems);
    }
}

impl Validate for HealthCheck {
    fn validate(&self, path: &str, problems: &mut Vec<Invalid>) {
        let given = [self.exec.is_some(), self.http.is_some(), self.tcp.is_some()];
        if given.into_iter().filter(|given| *given).count() != 1 {
            problems.push(Invalid::new(
                path,
                "a health check has exactly one of `exec`, `http` and `tcp`",
            ));
        }
        if self.exec.as_ref().is_some_and(Vec::is_empty) {
            problems.push(Invalid::new(&format!("{path}.exec"), "a command cannot be empty"));
        }
        let port =
            self.http.as_ref().map(|http| http.port).or(self.tcp.as_ref().map(|tcp| tcp.port));
        if port == Some(0) {
            problems.push(Invalid::new(path, "a port is from 1 to 65535"));
        }
        if self.http.as_ref().is_some_and(|http| !http.path.starts_with('/')) {
            problems.push(Invalid::new(&format!("{path}.http.path"), "a path begins with `/`"));
        }
        if self.interval < INTERVAL_MIN {
            problems.push(Invalid::new(
                &format!("{path}.interval"),
                format!("at least {INTERVAL_MIN}"),
            ));
        }
        if self.timeout == Duration::ZERO {
            problems.push(Invalid::new(&format!("{path}.timeout"), "more than 0s"));
        }
        if self.retries == 0 {
            problems.push(Invalid::new(&format!("{path}.retries"), "at least 1"));
        }
        at_most(&format!("{path}.start_period"), self.start_period, problems);
        at_most(&format!("{path}.interval"), self.interval, problems);
        at_most(&format!("{path}.timeout"), self.timeout, problems);
    }
}

fn at_most(path: &str, value: Duration, problems: &mut Vec<Invalid>) {
    if value > PERIOD_MAX {
        problems.push(Invalid::new(path, format!("at most {PERIOD_MAX}, this is {value}")));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems_of(json: serde_json::Value) -> Vec<String> {
        let spec: WorkloadSpec = serde_json::from_value(json).unwrap();
        let mut problems = Vec::new();
        spec.validate("spec", &mut problems);
        problems.iter().map(|problem| problem.path.clone()).collect()
    }

    #[test]
    fn a_good_spec_has_no_problems() {
        let spec = serde_json::json!({
            "command": "/bin/sleep", "args": ["3600"], "restart": "on_failure",
            "resources": {"cpu": "500m", "memory": "64MiB"},
            "constraints": [{"label": "zone", "in": ["a", "b"]}],
            "health": {"tcp": {"port": 80}}, "ports": [{"port": 80}],
        });
        assert_eq!(problems_of(spec), Vec::<String>::new());
    }

    #[test]
    fn every_broken_rule_is_found_in_one_go() {
        let spec = serde_json::json!({
            "working_dir": "relative",
            "env": {"A=B": "x"},
            "restart": {"backoff": {"initial": "2m", "max": "1m"}, "attempts_max": 0},
            "constraints": [{"label": "zone"}, {"label": "zone", "in": []}],
            "health": {"http": {"port": 0, "path": "x"}, "tcp": {"port": 1}, "retries": 0},
            "ports": [{"port": 80}, {"port": 80}, {"port": 0}],
            "mounts": [{"source": "x", "target": "/y"}],
            "not_before": "2026-01-02T00:00:00Z", "not_after": "2026-01-01T00:00:00Z",
        });
        let found = problems_of(spec);
        for path in [
            "spec",
            "spec.working_dir",
            "spec.env",
            "spec.restart.backoff.initial",
            "spec.restart.attempts_max",
            "spec.constraints[0]",
            "spec.constraints[1].in",
            "spec.health",
            "spec.health.http.path",
            "spec.health.retries",
            "spec.ports",
            "spec.ports[2].port",
            "spec.mounts",
            "spec.mounts[0].source",
            "spec.not_after",
        ] {
            assert!(found.iter().any(|at| at == path), "{path} is missing in {found:?}");
        }
    }

    #[test]
    fn a_pause_doubles_up_to_its_ceiling() {
        let backoff = Backoff {
            initial: Duration::from_secs(1),
            max: Duration::from_secs(10),
            reset_after: Duration::from_secs(60),
        };
        let pauses: Vec<_> = (1..=6).map(|n| backoff.pause(n).as_millis() / 1000).collect();
        assert_eq!(pauses, [1, 2, 4, 8, 10, 10]);
        assert_eq!(backoff.pause(u32::MAX), backoff.max);
    }
}
