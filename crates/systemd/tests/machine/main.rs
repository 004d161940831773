//! Installing on real folders, with a model of the service manager.

mod model;

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
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
fn what_came_after_the_look_is_neither_removed_nor_replaced() {
    let (units, links) = ("data/tessera/tenants/circ-trans/units", "config/systemd/user");
    let is_link = [true, false];
    let places = [
        // What is to be disabled and removed, replaced, erased and written.
        (format!("{links}/circ-trans-old.timer"), &is_link[..]),
        (format!("{links}/circ-trans-old.service"), &is_link[..]),
        (format!("{links}/circ-trans.service"), &is_link[..]),
        (format!("{units}/circ-trans-old.timer"), &is_link[1..]),
        (format!("{units}/circ-trans.timer"), &is_link[1..]),
        (format!("{units}/circ-trans-new.timer"), &is_link[1..]),
    ];
    for (place, ways) in places {
        for is_link in ways {
            let user = User::new();
            user.machine.install(&rendered(&["", "-old"], "service", "1"), false).unwrap();
            let link = user.systemd("circ-trans.service");
            let elsewhere = user.home.path().join(units).join("circ-trans.timer");
            fs::remove_file(&link).unwrap();
            symlink(elsewhere, &link).unwrap();
            let wanted = rendered(&["", "-new"], "service", "2");
            let lock = user.machine.lock().unwrap();
            let prospect = user.machine.look(&wanted, false).unwrap();
            let place = user.home.path().join(&place);
            let _there = fs::remove_file(&place);
            match is_link {
                true => symlink("/somewhere/mine", &place).unwrap(),
                false => fs::write(&place, "# Mine.\n").unwrap(),
            }
            let done = user.machine.carry_out(&lock, &[&prospect]).remove(0);
            let told = done.result.unwrap_err().to_string();
            assert!(told.contains(&format!("{} is not what it was", place.display())), "{told}");
            match is_link {
                true => assert_eq!(fs::read_link(&place).unwrap(), Path::new("/somewhere/mine")),
                false => assert_eq!(fs::read_to_string(&place).unwrap(), "# Mine.\n"),
            }
            // What is somebody's is kept, and what was begun is finished.
            drop(lock);
            user.machine.install(&wanted, true).unwrap();
            let kept = user.tree().into_values();
            let mine = if *is_link { "-> /somewhere/mine" } else { "# Mine.\n" };
            assert_eq!(kept.filter(|said| said == mine).count(), 1, "{}", place.display());
            user.model.memory(|memory| assert_eq!(memory.active.len(), 2));
        }
    }
}

#[test]
fn a_file_of_ones_own_beside_a_link_is_left_when_that_is_replaced() {
    let user = User::new();
    user.machine.install(&rendered(&[""], "service", "1"), false).unwrap();
    let (link, mine) = (user.systemd("circ-trans.timer"), user.systemd("circ-trans.timer.new"));
    let elsewhere = user.machine.places().units(&tenant()).join("circ-trans.service");
    fs::remove_file(&link).unwrap();
    symlink(&elsewhere, &link).unwrap();
    symlink("/somewhere/mine", &mine).unwrap();
    // What a crash leaves of such a link goes.
    let scrap = user.systemd(".circ-trans.timer.k3j2.new");
    symlink(&elsewhere, &scrap).unwrap();
    user.machine.install(&rendered(&[""], "service", "1"), false).unwrap();
    assert_ne!(fs::read_link(link).unwrap(), elsewhere);
    assert!(mine.is_symlink() && !scrap.is_symlink());
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
fn what_was_being_made_is_no_sign_of_a_tenant_and_is_swept_away() {
    let user = User::new();
    let before = user.tree();
    let tenants = user.home.path().join("data/tessera/tenants");
    user.machine.install(&rendered_as("circ", &[""], "service", "1"), false).unwrap();
    // What a process that is killed leaves before its mark is written, and after it has removed it.
    for (folder, scrap) in [("", "..made.k3j2.new"), ("circ-trans", ".unfinished.k3j2.new")] {
        fs::create_dir_all(tenants.join(folder)).unwrap();
        fs::write(tenants.join(folder).join(scrap), "").unwrap();
    }
    fs::create_dir(tenants.join("catalog")).unwrap();
    let circ = Name::new("circ").unwrap();
    assert_eq!(user.machine.installed().unwrap(), [circ.clone()].into());
    assert!(user.machine.uninstall(&tenant(), false).unwrap().is_done());
    assert_eq!(paths(&tenants).len(), 2, "{:?}", paths(&tenants));
    user.machine.uninstall(&circ, false).unwrap();
    assert_eq!(user.tree(), before);
}

#[test]
fn what_never_ends_is_no_unit() {
    let user = User::new();
    let files = [("circ-trans.service", "[Service]\n"), ("circ-trans.timer", TIMER)];
    let wanted = user.kept("here", &files);
    let pipe = |path: &Path| {
        let _there = fs::remove_file(path);
        assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
    };
    pipe(&user.home.path().join("here/circ-trans.service"));
    let faults = user.machine.look(&wanted, false).unwrap().faults;
    let [fault] = &faults[..] else { panic!("{faults:?}") };
    assert!(fault.path.ends_with("here/circ-trans.service"), "{fault}");
    assert_eq!(fault.message, "it cannot be read: it is no file");

    // Nor does Quadlet get to the end of somebody else's.
    let mine = Path::new(&user.machine.places().layout.quadlet).join("mine");
    fs::create_dir_all(&mine).unwrap();
    pipe(&mine.join("mine.container"));
    let wanted = rendered(&[""], "container", "1");
    let faults = user.machine.look(&wanted, false).unwrap().faults;
    let [fault] = &faults[..] else { panic!("{faults:?}") };
    assert!(fault.path.ends_with("mine/mine.container"), "{fault}");
    fs::remove_dir_all(&mine).unwrap();

    user.machine.install(&rendered(&[""], "service", "1"), false).unwrap();
    pipe(&user.machine.places().units(&tenant()).join("circ-trans.service"));
    let told = user.machine.look(&wanted, false).unwrap_err().to_string();
    assert!(told.contains("it is no file"), "{told}");
}

#[test]
fn a_check_that_fails_without_a_word_is_a_fault() {
    let user = User::new();
    user.model.memory(|memory| memory.verify_fails = Some("exit code 7".to_owned()));
    let faults = user.machine.look(&rendered(&[""], "service", "1"), false).unwrap().faults;
    let [fault] = &faults[..] else { panic!("{faults:?}") };
    assert!(fault.message.contains("verify fails (exit code 7)"), "{fault}");
}

#[test]
fn a_session_is_never_made_and_a_trial_leaves_nothing_in_it() {
    let user = User::new();
    let run = user.home.path().join("run");
    // What one that was killed has left.
    fs::create_dir_all(run.join("tessera/trial/units")).unwrap();
    user.machine.look(&rendered(&[""], "service", "1"), false).unwrap();
    assert!(!run.join("tessera/trial").exists());
    user.machine.install(&rendered(&[""], "container", "1"), false).unwrap();
    fs::create_dir_all(run.join("tessera/run-now")).unwrap();
    fs::write(run.join("tessera/run-now/circ-trans.service"), "").unwrap();
    fs::write(run.join("circ-trans.cid"), "").unwrap();
    user.machine.uninstall(&tenant(), false).unwrap();
    let mut tree = BTreeMap::new();
    walk(&run, &mut tree);
    let left: Vec<_> = tree.keys().map(|path| path.strip_prefix(&run).unwrap()).collect();
    let locks = ["tessera", "tessera/run-now", "tessera/trial.lock", "tessera/units.lock"];
    assert_eq!(left, locks.map(Path::new));

    fs::remove_dir_all(&run).unwrap();
    let error = user.machine.install(&rendered(&[""], "service", "1"), false).unwrap_err();
    assert!(error.to_string().contains(&format!("there is no {}", run.display())), "{error}");
    assert!(!run.exists());
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
