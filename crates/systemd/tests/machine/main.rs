//! Installing on real folders, with a model of the service manager.

mod hardship;
mod model;

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use model::{Model, paths};
use proptest::prelude::*;
use tempfile::TempDir;
use tessera_systemd::{Machine, MachineError, Places, Units, Wanted};
use tessera_tenant::units::UnitFile;
use tessera_types::Name;

const TIMER: &str = "[Timer]\nOnCalendar=daily\n[Install]\nWantedBy=timers.target\n";

/// A user with nothing but a home.
struct User {
    home: TempDir,
    model: Arc<Model>,
    machine: Machine,
}

impl User {
    fn new() -> Self {
        // In memory where there is such a place: everything is synced.
        let home = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
        let path = |name: &str| home.path().join(name);
        fs::create_dir(path("run")).unwrap();
        let places = Places::new(&path("config"), &path("data"), path("run")).unwrap();
        let model = Arc::new(Model::new(&places));
        let machine = Machine::new(places, model.clone());
        Self { home, model, machine }
    }

    /// All that is in the home, but for what does not last.
    fn tree(&self) -> BTreeMap<PathBuf, String> {
        let mut tree = BTreeMap::new();
        for part in ["config", "data"] {
            walk(&self.home.path().join(part), &mut tree);
        }
        tree
    }

    fn systemd(&self, name: &str) -> PathBuf {
        Path::new(&self.machine.places().layout.systemd).join(name)
    }

    /// Writes units by hand, and wants them.
    fn kept(&self, folder: &str, files: &[(&str, &str)]) -> Wanted {
        let folder = self.home.path().join(folder);
        fs::create_dir_all(&folder).unwrap();
        for (name, text) in files {
            fs::write(folder.join(name), text).unwrap();
        }
        let files = files.iter().map(|(name, _)| (*name).to_owned()).collect();
        Wanted { tenant: tenant(), units: Units::Kept { folder, files } }
    }
}

fn walk(folder: &Path, tree: &mut BTreeMap<PathBuf, String>) {
    for path in paths(folder) {
        let said = match fs::read_link(&path) {
            Ok(target) => format!("-> {}", target.display()),
            Err(_) if path.is_dir() => "a folder".to_owned(),
            Err(_) => fs::read_to_string(&path).unwrap(),
        };
        if path.is_dir() && !path.is_symlink() {
            walk(&path, tree);
        }
        tree.insert(path, said);
    }
}

fn tenant() -> Name {
    Name::new("circ-trans").unwrap()
}

/// A tenant that is rendered: which services it has, whether in containers, and a text of theirs.
fn rendered(suffixes: &[&str], extension: &str, text: &str) -> Wanted {
    rendered_as("circ-trans", suffixes, extension, text)
}

fn rendered_as(name: &str, suffixes: &[&str], extension: &str, text: &str) -> Wanted {
    let files = suffixes.iter().flat_map(|suffix| {
        let file = |extension: &str, text: String| UnitFile {
            name: format!("{name}{suffix}.{extension}"),
            text,
        };
        [
            file(extension, format!("[Service]\n# {text}\n")),
            file("timer", format!("# {text}\n{TIMER}")),
        ]
    });
    let units = Units::Rendered(files.collect());
    Wanted { tenant: Name::new(name).unwrap(), units }
}

#[test]
fn a_second_run_changes_nothing_and_uninstalling_leaves_no_trace() {
    let user = User::new();
    let before = user.tree();
    let wanted = rendered(&["", "-reconcile"], "container", "1");
    let first = user.machine.install(&wanted, false).unwrap();
    assert_eq!((first.plan.create.len(), first.plan.enable.len()), (4, 2));
    let (installed, reloads) = (user.tree(), user.model.memory(|memory| memory.reloads));
    assert!(user.machine.install(&wanted, false).unwrap().is_done());
    assert_eq!((user.tree(), user.model.memory(|memory| memory.reloads)), (installed, reloads));
    assert_eq!(user.machine.installed().unwrap(), [tenant()].into());

    user.machine.uninstall(&tenant(), false).unwrap();
    assert_eq!(user.tree(), before);
    assert!(user.machine.uninstall(&tenant(), false).unwrap().is_done());
    user.model.memory(|memory| assert!(memory.loaded.is_empty() && memory.failed.is_empty()));
}

#[test]
fn what_units_say_is_their_users_own() {
    let user = User::new();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    for text in ["1", "2"] {
        user.machine.install(&rendered(&[""], "service", text), false).unwrap();
        let units = user.machine.places().units(&tenant());
        assert_eq!((mode(&units), mode(units.parent().unwrap())), (0o700, 0o700));
        for unit in ["circ-trans.service", "circ-trans.timer"] {
            assert_eq!(mode(&units.join(unit)), 0o600);
        }
    }
}

#[test]
fn folders_that_were_there_stay_empty_as_they_were() {
    let user = User::new();
    fs::create_dir_all(user.systemd("")).unwrap();
    let before = user.tree();
    user.machine.install(&rendered(&[""], "service", "1"), false).unwrap();
    user.machine.uninstall(&tenant(), false).unwrap();
    assert_eq!(user.tree(), before);
}

#[test]
fn units_written_by_hand_are_found_when_nobody_declares_them_any_more() {
    let user = User::new();
    let files = [("circ-trans.service", "[Service]\n"), ("circ-trans.timer", TIMER)];
    let wanted = user.kept("here", &files);
    let before = user.tree();
    user.machine.install(&wanted, false).unwrap();
    // They have moved: the links that lead to where they were are the tenant's all the same.
    let moved = user.kept("there", &files);
    let change = user.machine.install(&moved, false).unwrap();
    assert_eq!((change.plan.create.len(), change.plan.enable.len()), (2, 1));
    assert!(user.machine.install(&moved, false).unwrap().is_done());
    user.machine.uninstall(&tenant(), false).unwrap();
    assert_eq!(user.tree(), before);
}

#[test]
fn an_edit_by_hand_that_systemd_did_not_read_is_read() {
    let user = User::new();
    let files = [("circ-trans.service", "[Service]\n"), ("circ-trans.timer", TIMER)];
    let wanted = user.kept("here", &files);
    user.machine.install(&wanted, false).unwrap();
    let wanted = user.kept("here", &[files[0], ("circ-trans.timer", "# Later.\n[Install]\n")]);
    let change = user.machine.install(&wanted, false).unwrap();
    assert_eq!((change.plan.reload, change.plan.restart.len()), (true, 1));
    assert!(change.plan.to_string().contains("reload"), "{}", change.plan);
    assert!(user.machine.install(&wanted, false).unwrap().is_done());
}

#[test]
fn what_is_refused_changes_nothing() {
    let user = User::new();
    let wanted = rendered(&[""], "service", "1");
    fs::create_dir_all(user.systemd("")).unwrap();
    symlink("/somewhere/mine.timer", user.systemd("circ-trans.timer")).unwrap();
    let before = user.tree();
    let refused = user.machine.install(&wanted, false).unwrap_err();
    assert!(matches!(refused, MachineError::Refused(_)), "{refused}");
    assert_eq!(user.tree(), before);

    // Units that would not work, whatever is forced.
    let wanted = user.kept(
        "here",
        &[
            ("circ-trans.service", "[Service]\n[Install]\nWantedBy=default.target\n"),
            ("circ-trans.timer", "[Timer]\n"),
            ("circ-trans-a b.service", "[Service]\n"),
        ],
    );
    let MachineError::Faulty(faults) = user.machine.install(&wanted, true).unwrap_err() else {
        panic!("it was not refused")
    };
    let told: Vec<_> = faults.iter().map(ToString::to_string).collect();
    assert!(told[0].contains("circ-trans-a b.service: the name"), "{told:?}");
    assert!(told[1].contains("circ-trans.service:2: [Install] belongs in timers"), "{told:?}");
    assert!(told[2].contains("circ-trans.timer: a timer without [Install]"), "{told:?}");
    assert_eq!(user.tree(), before);

    // Nobody who could read them.
    user.model.memory(|memory| memory.is_away = true);
    let wanted = rendered(&[""], "service", "1");
    let away = user.machine.install(&wanted, true).unwrap_err();
    assert!(matches!(away, MachineError::Systemctl(_)), "{away}");
    assert_eq!(user.tree(), before);
    assert!(user.machine.look(&wanted, false).unwrap().unreachable.is_some());
}

#[test]
fn a_second_unit_is_seen_in_folders_that_systemctl_does_not_print() {
    let user = User::new();
    for folder in ["data/systemd/user", "config/systemd/user.control"] {
        let folder = user.home.path().join(folder);
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("circ-trans.timer"), TIMER).unwrap();
        let refused = user.machine.install(&rendered(&[""], "service", "1"), true).unwrap_err();
        assert!(matches!(refused, MachineError::Refused(_)), "{refused}");
        fs::remove_file(folder.join("circ-trans.timer")).unwrap();
    }
    user.machine.install(&rendered(&[""], "service", "1"), false).unwrap();
}

#[test]
fn units_that_vanished_beside_a_broken_link_come_back() {
    let user = User::new();
    let folder = Path::new(&user.machine.places().layout.quadlet).join("circ-trans");
    let wanted = rendered(&[""], "container", "1");
    user.machine.install(&wanted, false).unwrap();
    // Somebody's file breaks the folder, and it is only seen after the reload.
    symlink("/gone", folder.join("mine.container")).unwrap();
    user.machine.manager().reload().unwrap();
    let prospect = user.machine.look(&wanted, false).unwrap();
    assert!(prospect.plan.to_string().contains("Quadlet drops the units beside it"));
    let forced = user.machine.install(&wanted, true).unwrap();
    assert_eq!(forced.plan.set_aside.len(), 1);
    assert!(user.machine.install(&wanted, false).unwrap().is_done());
}

#[test]
fn several_tenants_have_one_reload_and_one_that_fails_leaves_the_others() {
    let user = User::new();
    let names = ["circ", "circ-trans", "catalog"];
    fs::create_dir_all(user.systemd("")).unwrap();
    let lock = user.machine.lock().unwrap();
    let prospects = names.map(|name| {
        let wanted = rendered_as(name, &["", "-reconcile"], "service", "1");
        user.machine.look(&wanted, false).unwrap()
    });
    // What is in the way by now is not overwritten.
    fs::write(user.systemd("circ-trans.timer"), "# Mine.\n").unwrap();
    let results = user.machine.carry_out(&lock, &prospects.each_ref());
    let told: Vec<_> = results.iter().map(|done| done.result.is_ok()).collect();
    assert_eq!(told, [true, false, true]);
    user.model.memory(|memory| assert_eq!((memory.reloads, memory.active.len()), (1, 4)));
    assert_eq!(fs::read_to_string(user.systemd("circ-trans.timer")).unwrap(), "# Mine.\n");
    // It is a conflict now, and what was begun is finished when that is gone.
    drop(lock);
    let wanted = rendered_as("circ-trans", &["", "-reconcile"], "service", "1");
    assert!(user.machine.install(&wanted, false).is_err());
    fs::remove_file(user.systemd("circ-trans.timer")).unwrap();
    user.machine.install(&wanted, false).unwrap();
    user.model.memory(|memory| assert_eq!(memory.active.len(), 6));
}

#[test]
fn links_of_ones_own_in_the_folder_of_a_tenant_are_not_taken_over() {
    let user = User::new();
    let own = Path::new(&user.machine.places().layout.quadlet).join("circ-trans");
    let mine = user.home.path().join("mine.container");
    fs::write(&mine, "[Container]\n").unwrap();
    fs::create_dir_all(&own).unwrap();
    symlink(&mine, own.join("circ-trans.container")).unwrap();
    let before = user.tree();
    let refused = user.machine.install(&rendered(&[""], "container", "1"), false).unwrap_err();
    assert!(matches!(refused, MachineError::Refused(_)), "{refused}");
    assert_eq!(user.tree(), before);
    // Whoever wants the tenant gone is told of them.
    let left = user.machine.uninstall(&tenant(), false).unwrap();
    assert!(left.is_done());
    assert!(left.plan.left[0].to_string().contains("that Tessera did not make"), "{left:?}");
    assert_eq!(user.tree(), before);
}

#[test]
fn what_tessera_did_not_install_is_left_and_renamed_by_force_alone() {
    let user = User::new();
    // Another tenant, of which a service has a name that could be this one's.
    user.machine.install(&rendered_as("circ", &["", "-trans-old"], "service", "1"), false).unwrap();
    let other = rendered_as("circ", &["", "-trans-old"], "service", "1");
    let files = [
        ("circ-trans.service", "[Service]\n"),
        ("circ-trans.timer", TIMER),
        ("circ-trans-extra.timer", TIMER),
        ("mine.timer", TIMER),
    ];
    user.kept("mine", &files);
    for (name, _) in files {
        symlink(user.home.path().join("mine").join(name), user.systemd(name)).unwrap();
    }
    let manager = user.machine.manager();
    manager.enable("circ-trans.timer").unwrap();
    manager.reload().unwrap();
    manager.restart("circ-trans.timer").unwrap();
    let before = user.tree();
    let left = user.machine.uninstall(&tenant(), false).unwrap();
    assert_eq!((left.is_done(), left.plan.left.len()), (true, 3));
    assert_eq!(user.tree(), before);

    let forced = user.machine.uninstall(&tenant(), true).unwrap();
    assert_eq!((forced.plan.set_aside.len(), forced.plan.remove.len()), (4, 0));
    assert!(user.systemd("timers.target.wants/circ-trans.timer.tessera-backup").is_symlink());
    for (name, _) in files {
        let backup = user.systemd(&format!("{name}.tessera-backup"));
        assert_eq!(backup.is_symlink(), name != "mine.timer", "{name}");
        assert!(user.home.path().join("mine").join(name).exists());
    }
    user.model.memory(|memory| assert!(!memory.active.contains("circ-trans.timer")));
    assert!(user.machine.look(&other, false).unwrap().is_done());
    let again = user.machine.uninstall(&tenant(), true).unwrap();
    assert!(again.is_done() && again.plan.left.is_empty(), "{again:?}");
}

#[test]
fn units_written_by_hand_are_only_read() {
    let user = User::new();
    // A service of both sorts: one is refused, and neither is touched.
    let files = [
        ("circ-trans.service", "[Service]\n# Mine.\n"),
        ("circ-trans.container", "[Container]\n"),
        ("circ-trans.timer", TIMER),
    ];
    let wanted = user.kept("here", &files);
    for force in [false, true] {
        let _refused = user.machine.install(&wanted, force);
        for (name, text) in files {
            let path = user.home.path().join("here").join(name);
            assert_eq!(fs::read_to_string(path).unwrap(), text);
        }
    }
}

#[test]
fn one_after_the_other() {
    let user = User::new();
    let held = user.machine.lock().unwrap();
    let (machine, wanted) = (user.machine.clone(), rendered(&[""], "service", "1"));
    let other = std::thread::spawn(move || machine.install(&wanted, false).map(drop));
    let prospect = user.machine.look(&rendered(&[""], "service", "2"), false).unwrap();
    user.machine.carry_out(&held, &[&prospect]).remove(0).result.unwrap();
    drop(held);
    other.join().unwrap().unwrap();
    let path = user.machine.places().units(&tenant()).join("circ-trans.service");
    assert!(fs::read_to_string(path).unwrap().contains("# 1"));
}

#[test]
fn who_waits_in_vain_is_told_for_whom() {
    let user = User::new();
    let _held = user.machine.lock().unwrap();
    let impatient = user.machine.clone().with_lock_patience(Duration::ZERO);
    let error = impatient.install(&rendered(&[""], "service", "1"), false).unwrap_err();
    let told = error.to_string();
    assert!(told.contains(&format!("by process {} (", std::process::id())), "{told}");
    assert_eq!(user.tree(), BTreeMap::new());
}

fn wanted() -> impl Strategy<Value = Wanted> {
    let suffixes = prop::sample::subsequence(vec!["", "-reconcile", "-old"], 0..=3);
    let extensions = prop::sample::select(vec!["container", "service"]);
    (suffixes, extensions, prop::sample::select(vec!["1", "2"])).prop_map(
        |(suffixes, extension, text)| match suffixes.is_empty() {
            true => Wanted { tenant: tenant(), units: Units::Nothing },
            false => rendered(&suffixes, extension, text),
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    /// Wherever the first installation of all is cut off, nothing of it is left when the tenant is
    /// uninstalled: whether its mark was written or not.
    #[test]
    fn what_was_hardly_begun_is_removed(wanted in wanted(), changes in 0..16_usize) {
        let user = User::new();
        let before = user.tree();
        user.model.memory(|memory| memory.changes_left = Some(changes));
        let _cut_off = user.machine.install(&wanted, false);
        user.model.memory(|memory| memory.changes_left = None);
        user.machine.uninstall(&tenant(), false).unwrap();
        prop_assert_eq!(user.tree(), before);
    }

    /// Wherever a run is cut off, the next one makes it as it is wanted then.
    #[test]
    fn what_was_cut_off_is_repaired(
        first in wanted(),
        second in wanted(),
        third in wanted(),
        changes in 0..40_usize,
        by_hand in any::<bool>(),
    ) {
        let user = User::new();
        let before = user.tree();
        user.machine.install(&first, false).unwrap();
        for wanted in [second, third] {
            user.model.memory(|memory| memory.changes_left = Some(changes));
            let _cut_off = user.machine.install(&wanted, false);
            user.model.memory(|memory| memory.changes_left = None);
            if by_hand {
                user.machine.manager().reload().unwrap();
            }
        }
        let last = rendered(&["", "-reconcile"], "container", "3");
        user.machine.install(&last, false).unwrap();
        let look = user.machine.look(&last, false).unwrap();
        prop_assert!(look.is_done(), "{}", look.plan);
        user.model.memory(|memory| {
            assert_eq!(memory.active.len(), 2);
            assert_eq!(memory.loaded.len(), 4);
            assert!(memory.loaded.values().all(|text| text.contains("# 3")));
            assert!(memory.failed.is_empty(), "{:?}", memory.failed);
        });
        user.model.memory(|memory| memory.changes_left = Some(changes));
        let _cut_off = user.machine.uninstall(&tenant(), false);
        user.model.memory(|memory| memory.changes_left = None);
        user.machine.uninstall(&tenant(), false).unwrap();
        prop_assert_eq!(user.tree(), before);
        user.model.memory(|memory| {
            assert!(memory.active.is_empty() && memory.failed.is_empty() && memory.loaded.is_empty());
        });
    }
}

#[test]
fn what_was_set_aside_is_no_ones_when_the_tenant_is_gone() {
    let user = User::new();
    let own = Path::new(&user.machine.places().layout.quadlet).join("circ-trans");
    fs::create_dir_all(&own).unwrap();
    let backup = own.join("circ-trans.container.tessera-backup");
    symlink(user.home.path().join("mine/circ-trans.container"), &backup).unwrap();
    assert!(user.machine.uninstall(&tenant(), false).unwrap().is_done());
    assert!(backup.is_symlink());
}
