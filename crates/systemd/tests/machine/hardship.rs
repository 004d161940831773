//! What others do meanwhile, what never ends, and what was left behind.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use tessera_systemd::{Units, Wanted};
use tessera_tenant::units::UnitFile;
use tessera_types::Name;

use crate::model::paths;
use crate::{TIMER, User, rendered, rendered_as, tenant, walk};

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
            // What is installed goes on meanwhile.
            user.model.memory(|memory| assert!(memory.active.contains("circ-trans.timer")));
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
fn a_service_that_is_dropped_while_it_runs_keeps_what_its_run_has() {
    for is_running in [true, false] {
        let user = User::new();
        user.machine.install(&rendered(&["", "-old"], "container", "1"), false).unwrap();
        let path = |name: &str| user.home.path().join("run").join(name);
        fs::create_dir_all(path("tessera/run-now")).unwrap();
        let of_runs =
            |name: &str| [format!("tessera/run-now/{name}.service"), name.to_owned() + ".cid"];
        let (kept, dropped) = (of_runs("circ-trans"), of_runs("circ-trans-old"));
        kept.iter().chain(&dropped).for_each(|name| fs::write(path(name), "").unwrap());
        if is_running {
            let service = "circ-trans-old.service".to_owned();
            user.model.memory(|memory| memory.active.insert(service));
        }
        user.machine.install(&rendered(&[""], "container", "1"), false).unwrap();
        assert!(kept.iter().all(|name| path(name).exists()));
        assert!(dropped.iter().all(|name| path(name).exists() == is_running));
    }
}

#[test]
fn a_service_that_is_started_after_the_look_is_left_when_its_tenant_goes() {
    for is_forced in [false, true] {
        let user = User::new();
        let before = user.tree();
        user.machine.install(&rendered(&["", "-old"], "container", "1"), false).unwrap();
        let lock = user.machine.lock().unwrap();
        let nothing = Wanted { tenant: tenant(), units: Units::Nothing };
        let prospect = user.machine.look(&nothing, is_forced).unwrap();
        let service = "circ-trans-old.service";
        user.model.memory(|memory| memory.active.insert(service.to_owned()));
        let cid = user.home.path().join("run/circ-trans-old.cid");
        fs::write(&cid, "").unwrap();
        let done = user.machine.carry_out(&lock, &[&prospect]).remove(0);
        drop(lock);
        if is_forced {
            done.result.unwrap();
        } else {
            let told = done.result.unwrap_err().to_string();
            assert!(told.starts_with(&format!("{service} runs by now")), "{told}");
            // No timer starts it once more.
            user.model.memory(|memory| assert_eq!(memory.active, [service.to_owned()].into()));
            let units = user.machine.places().units(&tenant());
            assert!(cid.exists() && units.join("circ-trans-old.container").exists());
            user.machine.uninstall(&tenant(), false).unwrap_err();
            user.model.memory(|memory| memory.active.clear());
            user.machine.uninstall(&tenant(), false).unwrap();
        }
        assert!(!cid.exists());
        assert_eq!(user.tree(), before);
    }
}

#[test]
fn a_link_that_leads_nowhere_in_the_place_of_a_rendered_file_is_kept() {
    let user = User::new();
    let mut wanted = rendered(&[""], "container", "1");
    let name = "circ-trans.env".to_owned();
    let Units::Rendered(files) = &mut wanted.units else { panic!() };
    files.push(UnitFile { name: name.clone(), text: "# 1\nLAKE=1\n".to_owned() });
    user.machine.install(&wanted, false).unwrap();
    let place = user.machine.places().units(&tenant()).join(&name);
    let installed = fs::read(&place).unwrap();
    fs::remove_file(&place).unwrap();
    symlink("/somewhere/mine", &place).unwrap();
    user.machine.install(&wanted, false).unwrap();
    assert_eq!(fs::read(&place).unwrap(), installed);
    let backup = place.with_file_name(name + ".tessera-backup");
    assert_eq!(fs::read_link(backup).unwrap(), Path::new("/somewhere/mine"));
    assert!(user.machine.install(&wanted, false).unwrap().is_done());
}

#[test]
fn what_came_after_the_look_is_not_set_aside() {
    let user = User::new();
    let wanted = rendered(&[""], "service", "1");
    let place = user.systemd("circ-trans.service");
    fs::create_dir_all(place.parent().unwrap()).unwrap();
    symlink("/somewhere/mine", &place).unwrap();
    let lock = user.machine.lock().unwrap();
    let prospect = user.machine.look(&wanted, true).unwrap();
    fs::remove_file(&place).unwrap();
    fs::write(&place, "# Mine.\n").unwrap();
    let done = user.machine.carry_out(&lock, &[&prospect]).remove(0);
    let told = done.result.unwrap_err().to_string();
    assert!(told.contains("is not what it was"), "{told}");
    assert_eq!(fs::read(&place).unwrap(), b"# Mine.\n");
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
