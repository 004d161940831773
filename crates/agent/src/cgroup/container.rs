//! The group that a container runtime made for a container.

use std::fs;
use std::path::{Component, Path, PathBuf};

use super::detect::{Mount, parse_mounts};
use super::{Cgroup, Unified};

impl Cgroup {
    /// The group of the container `id`, by one of its processes. None if that process is not, or no
    /// longer, in the container. So this also says whether a process number still means what it
    /// meant.
    pub(crate) fn of_container(pid: u32, id: &str) -> Option<Self> {
        let groups = fs::read_to_string(format!("/proc/{pid}/cgroup")).ok()?;
        let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
        Some(Self::among(&groups, &parse_mounts(&mounts), id)?.with_what_is_counted())
    }

    fn among(groups: &str, mounts: &[Mount], id: &str) -> Option<Self> {
        // Both runtimes name the group after the container.
        let of_id: Vec<Group<'_>> =
            groups.lines().filter_map(Group::parse).filter(|group| group.is_of(id)).collect();
        if id.is_empty() || of_id.is_empty() {
            return None;
        }
        let dir = |wanted: &str| {
            let group = of_id.iter().find(|group| group.has(wanted))?;
            mounts.iter().find_map(|mount| group.below(mount, wanted))
        };
        let unified = dir("").map(|dir| Unified { dir, memory: false, cpu: false });
        Some(Self::new(unified, dir("memory"), None))
    }

    fn with_what_is_counted(mut self) -> Self {
        if let Some(unified) = &mut self.unified {
            unified.memory = unified.dir.join("memory.events").exists();
        }
        self
    }
}

/// One line of `/proc/<pid>/cgroup`; version 2 has no controllers there. See cgroups(7).
struct Group<'a> {
    controllers: &'a str,
    path: &'a Path,
}

impl<'a> Group<'a> {
    fn parse(line: &'a str) -> Option<Self> {
        let mut fields = line.splitn(3, ':').skip(1);
        Some(Self { controllers: fields.next()?, path: Path::new(fields.next()?) })
    }

    /// Whether a part of the path is the id itself or has it as a word, as `libpod-ID.scope` has. A
    /// path that merely has these characters somewhere is another's.
    fn is_of(&self, id: &str) -> bool {
        let mut parts = self.path.components().filter_map(|part| part.as_os_str().to_str());
        parts.any(|part| part.split(['-', '.']).any(|word| word == id))
    }

    fn has(&self, controller: &str) -> bool {
        self.controllers.split(',').any(|own| own == controller)
    }

    fn below(&self, mount: &Mount, controller: &str) -> Option<PathBuf> {
        let fits = match controller {
            "" => mount.kind == "cgroup2",
            named => mount.kind == "cgroup" && mount.has(named),
        };
        let below = self.path.strip_prefix(&mount.root).ok().filter(|_| fits)?;
        let inside = below.components().all(|part| matches!(part, Component::Normal(_)));
        inside.then(|| mount.point.join(below))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOUNTS: &str = "\
26 25 0:23 / /sys/fs/cgroup/unified rw,nosuid - cgroup2 cgroup2 rw
28 25 0:25 / /sys/fs/cgroup/memory rw shared:10 - cgroup cgroup rw,memory
";

    fn found(groups: &str, id: &str) -> Option<Cgroup> {
        Cgroup::among(groups, &parse_mounts(MOUNTS), id)
    }

    #[test]
    fn a_container_is_known_by_its_id_in_every_hierarchy() {
        let groups = "4:memory:/libpod_parent/libpod-abc\n1:cpu:/x/libpod-abc\n0::/docker/abc\n";
        let dir = "/sys/fs/cgroup/unified/docker/abc".into();
        let unified = Unified { dir, memory: false, cpu: false };
        let memory = Some("/sys/fs/cgroup/memory/libpod_parent/libpod-abc".into());
        assert_eq!(found(groups, "abc"), Some(Cgroup::new(Some(unified), memory, None)));
    }

    #[test]
    fn a_scope_of_systemd_and_a_group_below_are_the_containers() {
        assert!(found("0::/machine.slice/libpod-abc.scope/container\n", "abc").is_some());
    }

    #[test]
    fn another_process_that_got_the_number_is_not_taken_for_the_container() {
        assert_eq!(found("0::/user.slice/session-1.scope\n", "abc"), None);
        assert_eq!(found("0::/docker/abd\n", "abc"), None);
        assert_eq!(found("0::/docker/0abcd\n", "abc"), None);
        assert_eq!(found("0::/docker/abc\n", ""), None);
        assert_eq!(Cgroup::of_container(std::process::id(), "abc"), None);
    }
}
