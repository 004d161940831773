//! Finds the hierarchies that this process may use.

use std::fs;
use std::io;
use std::path::{Component, Path, PathBuf};

use super::{CgroupParent, Unified};

const PARENT: &str = "tessera";
/// Where an agent puts itself so that its own group may have children with controllers.
const AGENT_LEAF: &str = "agent";

pub(super) fn prepare(node: &str) -> CgroupParent {
    let (Ok(mounts), Ok(own)) =
        (fs::read_to_string("/proc/self/mountinfo"), fs::read_to_string("/proc/self/cgroup"))
    else {
        return CgroupParent::none();
    };
    let privileged = rustix::process::geteuid().is_root();
    let bases = bases(&parse_mounts(&mounts), &own, privileged);
    CgroupParent {
        unified: bases.unified.and_then(|base| prepare_unified(&base, node)),
        memory: bases.memory.and_then(|base| prepare_v1(&base, node)),
        cpu: bases.cpu.and_then(|base| prepare_v1(&base, node)),
    }
}

/// Where in each hierarchy the parent goes.
#[derive(Debug, Default, PartialEq, Eq)]
struct Bases {
    unified: Option<PathBuf>,
    memory: Option<PathBuf>,
    cpu: Option<PathBuf>,
}

fn bases(mounts: &[Mount], own: &str, privileged: bool) -> Bases {
    let v1 = |controller: &str| {
        mounts.iter().find(|mount| mount.kind == "cgroup" && mount.has(controller))
    };
    let unified = mounts.iter().find(|mount| mount.kind == "cgroup2");
    Bases {
        unified: unified.and_then(|mount| {
            if privileged { Some(mount.point.clone()) } else { delegated(mount, own) }
        }),
        memory: v1("memory").map(|mount| mount.point.clone()),
        cpu: v1("cpu").map(|mount| mount.point.clone()),
    }
}

/// The group of version 2 in which this process is, without the leaf that an earlier start may have
/// put it in.
fn delegated(mount: &Mount, own: &str) -> Option<PathBuf> {
    let path = own.lines().find_map(|line| line.strip_prefix("0::"))?;
    let path = Path::new(path.trim_end());
    let leaf: PathBuf = [PARENT, AGENT_LEAF].iter().collect();
    let path = if path.ends_with(&leaf) { path.ancestors().nth(2)? } else { path };
    let below = path.strip_prefix(&mount.root).ok()?;
    let inside = below.components().all(|part| matches!(part, Component::Normal(_)));
    inside.then(|| mount.point.join(below))
}

/// One line of `/proc/self/mountinfo`, as far as it matters.
#[derive(Debug)]
pub(crate) struct Mount {
    pub(super) root: PathBuf,
    pub(super) point: PathBuf,
    pub(super) kind: String,
    options: String,
}

impl Mount {
    pub(super) fn has(&self, controller: &str) -> bool {
        self.options.split(',').any(|option| option == controller)
    }
}

/// See proc_pid_mountinfo(5): the optional fields in the middle end with a single hyphen.
pub(crate) fn parse_mounts(text: &str) -> Vec<Mount> {
    let parse = |line: &str| {
        let (front, back) = line.split_once(" - ")?;
        let front: Vec<&str> = front.split(' ').collect();
        let mut back = back.split(' ');
        Some(Mount {
            root: front.get(3)?.into(),
            point: front.get(4)?.into(),
            kind: back.next()?.to_owned(),
            options: back.nth(1)?.to_owned(),
        })
    };
    text.lines().filter_map(parse).collect()
}

fn prepare_v1(base: &Path, node: &str) -> Option<PathBuf> {
    let dir = base.join(PARENT).join(node);
    make(&dir).ok().map(|()| dir)
}

fn prepare_unified(base: &Path, node: &str) -> Option<Unified> {
    let parent = base.join(PARENT);
    let dir = parent.join(node);
    make(&dir).ok()?;
    let enabled = |controller: &str| {
        [base, &parent, &dir].into_iter().all(|group| enable(group, &parent, controller).is_ok())
    };
    Some(Unified { memory: enabled("memory"), cpu: enabled("cpu"), dir: dir.clone() })
}

/// Makes a folder and the one above it. Another agent that ends may remove the latter between the two
/// steps, as it is empty.
fn make(dir: &Path) -> io::Result<()> {
    const TRIES: u32 = 10;
    let mut made = fs::create_dir_all(dir);
    for _ in 1..TRIES {
        match made {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                made = fs::create_dir_all(dir);
            }
            other => return other,
        }
    }
    made
}

/// Lets the children of `group` have a controller.
fn enable(group: &Path, parent: &Path, controller: &str) -> io::Result<()> {
    let switch = group.join("cgroup.subtree_control");
    if fs::read_to_string(&switch)?.split_whitespace().any(|enabled| enabled == controller) {
        return Ok(());
    }
    let order = format!("+{controller}");
    match fs::write(&switch, &order) {
        Err(error) if error.kind() == io::ErrorKind::ResourceBusy => {
            leave(group, parent)?;
            fs::write(&switch, &order)
        }
        other => other,
    }
}

/// Moves this process out of `group`, if it is the only one in there. Others are not ours to move.
fn leave(group: &Path, parent: &Path) -> io::Result<()> {
    let own = std::process::id().to_string();
    if fs::read_to_string(group.join("cgroup.procs"))?.trim() != own {
        return Err(io::ErrorKind::ResourceBusy.into());
    }
    let leaf = parent.join(AGENT_LEAF);
    fs::create_dir_all(&leaf)?;
    fs::write(leaf.join("cgroup.procs"), own)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HYBRID: &str = "\
25 21 0:22 / /sys/fs/cgroup ro,nosuid - tmpfs tmpfs ro,mode=755
26 25 0:23 / /sys/fs/cgroup/unified rw,nosuid - cgroup2 cgroup2 rw
27 25 0:24 / /sys/fs/cgroup/cpu,cpuacct rw shared:9 - cgroup cgroup rw,cpu,cpuacct
28 25 0:25 / /sys/fs/cgroup/memory rw shared:10 master:2 - cgroup cgroup rw,memory
";
    const V2: &str =
        "30 24 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n";
    const SERVICE: &str = "/user.slice/user-1000.slice/user@1000.service/app.slice/tessera.service";

    #[test]
    fn a_hybrid_machine_has_all_three() {
        let found = bases(&parse_mounts(HYBRID), "0::/\n", true);
        let expected = Bases {
            unified: Some("/sys/fs/cgroup/unified".into()),
            memory: Some("/sys/fs/cgroup/memory".into()),
            cpu: Some("/sys/fs/cgroup/cpu,cpuacct".into()),
        };
        assert_eq!(found, expected);
    }

    #[test]
    fn the_privileged_start_at_the_top_and_others_at_their_own_group() {
        let mounts = parse_mounts(V2);
        let unified = |own: &str, privileged| bases(&mounts, own, privileged).unified;
        let own = format!("0::{SERVICE}\n");
        assert_eq!(unified(&own, true), Some("/sys/fs/cgroup".into()));
        let expected = Some(PathBuf::from(format!("/sys/fs/cgroup{SERVICE}")));
        assert_eq!(unified(&own, false), expected);
        let moved = format!("0::{SERVICE}/tessera/agent\n");
        assert_eq!(unified(&moved, false), expected);
    }

    #[test]
    fn a_group_outside_the_mount_is_not_usable() {
        let mounts = parse_mounts(V2);
        assert_eq!(bases(&mounts, "0::/../other\n", false).unified, None);
        assert_eq!(bases(&mounts, "1:name=systemd:/\n", false), Bases::default());
    }
}
