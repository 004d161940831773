//! The plan of an installation, on a model of the file system and of systemd.

use std::collections::BTreeSet;

use proptest::prelude::*;
use tessera_tenant::plan::{Declared, Found, Layout, Observed, Plan, Reason, Seen, Step, plan};
use tessera_tenant::units::UnitFile;
use tessera_types::Name;

const QUADLET: &str = "/c/containers/systemd";
const SYSTEMD: &str = "/c/systemd/user";
const ROOT: &str = "/state/units/circ-trans";

fn layout() -> Layout {
    Layout { quadlet: QUADLET.to_owned(), systemd: SYSTEMD.to_owned() }
}

fn tenant() -> Name {
    Name::new("circ-trans").unwrap()
}

fn declared(files: &[&str]) -> Declared {
    let files: Vec<_> = files.iter().map(|file| format!("{ROOT}/{file}")).collect();
    let files = files.iter().map(String::as_str);
    Declared::new(&layout(), &tenant(), &[ROOT.to_owned()], files)
}

fn four() -> Declared {
    declared(&[
        "circ-trans.container",
        "circ-trans.timer",
        "circ-trans-reconcile.container",
        "circ-trans-reconcile.timer",
    ])
}

fn link(target: &str) -> Seen {
    Seen::Link { target: target.to_owned(), dangling: false }
}

/// A machine with nothing on it but the folders.
fn fresh() -> Observed {
    let mut machine = Observed::default();
    for folder in [QUADLET, SYSTEMD] {
        machine.paths.insert(folder.to_owned(), Seen::Folder);
    }
    machine
}

/// Carries a plan out on the model. What cannot be done panics.
fn apply(plan: &Plan, machine: &mut Observed) {
    for step in plan.steps().unwrap() {
        match step {
            Step::Disable(timer) => {
                // systemd removes both links, as it does.
                assert!(machine.enabled.remove(&timer));
                machine.paths.remove(&format!("{SYSTEMD}/timers.target.wants/{timer}"));
                machine.paths.remove(&format!("{SYSTEMD}/{timer}"));
            }
            Step::SetAside(aside) => {
                let kept = machine.paths.remove(&aside.path).unwrap();
                assert_eq!(machine.paths.insert(aside.backup, kept), None);
            }
            Step::MakeFolder(path) => {
                assert_eq!(machine.paths.insert(path, Seen::Folder), None);
            }
            Step::Remove(path) => {
                let removed = machine.paths.remove(&path);
                assert!(matches!(removed, None | Some(Seen::Link { .. })));
                if path.contains(".wants/") {
                    machine.enabled.remove(path.rsplit('/').next().unwrap());
                }
            }
            Step::Link(create) => {
                let (folder, _) = create.path.rsplit_once('/').unwrap();
                assert_eq!(machine.paths.get(folder), Some(&Seen::Folder));
                let before = machine.paths.insert(create.path, link(&create.target));
                assert_eq!(before.is_some(), create.replaces.is_some());
            }
            Step::RemoveFolder(path) => {
                assert_eq!(machine.paths.remove(&path), Some(Seen::Folder));
                let inside = format!("{path}/");
                assert!(!machine.paths.keys().any(|path| path.starts_with(&inside)));
            }
            Step::Write(write) => {
                if let Some(backup) = write.backup {
                    let kept = machine.texts[&write.path].clone();
                    assert_eq!(machine.texts.insert(backup, kept), None);
                }
                machine.texts.insert(write.path, write.text);
            }
            Step::Erase(erase) => {
                let text = machine.texts.remove(&erase.path).unwrap();
                if let Some(backup) = erase.backup {
                    assert_eq!(machine.texts.insert(backup, text), None);
                }
            }
            Step::Halt(timer) => {
                machine.inactive.insert(timer);
            }
            Step::Stop(unit) => {
                machine.running.remove(&unit);
            }
            Step::Restart(timer) => {
                machine.inactive.remove(&timer);
            }
            Step::Forget(_) => {}
            Step::Reload => machine.stale.clear(),
            Step::Enable(timer) => {
                let target = format!("{SYSTEMD}/{timer}");
                let Some(Seen::Link { target, .. }) = machine.paths.get(&target) else { panic!() };
                let wants = format!("{SYSTEMD}/timers.target.wants/{timer}");
                machine.paths.insert(wants, link(target));
                machine.enabled.insert(timer);
            }
        }
    }
}

fn unit(name: &str, text: &str) -> UnitFile {
    UnitFile { name: name.to_owned(), text: text.to_owned() }
}

fn rendered(files: &[UnitFile]) -> Declared {
    Declared::rendered(&layout(), &tenant(), ROOT, &[ROOT.to_owned()], files)
}

#[test]
fn a_fresh_machine_gets_all_and_a_second_run_is_no_op() {
    let mut machine = fresh();
    let first = plan(&four(), &machine, false);
    assert_eq!((first.create.len(), first.enable.len()), (4, 2));
    let paths: Vec<_> = first.create.iter().map(|create| create.path.as_str()).collect();
    assert_eq!(
        paths,
        [
            "/c/containers/systemd/circ-trans/circ-trans-reconcile.container",
            "/c/containers/systemd/circ-trans/circ-trans.container",
            "/c/systemd/user/circ-trans-reconcile.timer",
            "/c/systemd/user/circ-trans.timer",
        ]
    );
    apply(&first, &mut machine);
    let second = plan(&four(), &machine, false);
    assert!(second.is_empty());
    assert_eq!(second.already_ok.len(), 4);
    assert_eq!(second.steps(), Ok(vec![]));
}

#[test]
fn what_is_no_unit_is_not_linked() {
    let declared = declared(&["circ-trans.network", "circ-trans.service.d", "README.md"]);
    let paths: Vec<_> = declared.links().keys().collect();
    assert_eq!(paths, ["/c/containers/systemd/circ-trans/circ-trans.network"]);
}

#[test]
fn uninstalling_leaves_no_trace() {
    let mut machine = fresh();
    apply(&plan(&four(), &machine, false), &mut machine);
    let nothing = Declared::nothing(&layout(), &tenant(), &[ROOT.to_owned()]);
    apply(&plan(&nothing, &machine, false), &mut machine);
    assert_eq!(machine, fresh());
    // And where somebody removed a link before, so that only the wish for it is left.
    apply(&plan(&four(), &machine, false), &mut machine);
    machine.paths.remove("/c/systemd/user/circ-trans.timer");
    apply(&plan(&nothing, &machine, false), &mut machine);
    assert_eq!(machine, fresh());
}

#[test]
fn a_service_that_is_not_declared_any_more_goes() {
    let mut machine = fresh();
    apply(&plan(&four(), &machine, false), &mut machine);
    // It also runs as a process now, under the same unit's name.
    let fewer = declared(&["circ-trans.service", "circ-trans.timer"]);
    let change = plan(&fewer, &machine, false);
    assert_eq!(change.conflicting, []);
    assert_eq!(change.disable, ["circ-trans-reconcile.timer"]);
    assert_eq!(change.remove_folder.as_deref(), Some("/c/containers/systemd/circ-trans"));
    apply(&change, &mut machine);
    assert!(plan(&fewer, &machine, false).is_empty());
    assert_eq!(machine.enabled, BTreeSet::from(["circ-trans.timer".to_owned()]));
}

#[test]
fn a_link_that_was_pointed_elsewhere_is_refused_and_kept_when_forced() {
    let mut machine = fresh();
    apply(&plan(&four(), &machine, false), &mut machine);
    let path = "/c/containers/systemd/circ-trans/circ-trans.container";
    machine.paths.insert(path.to_owned(), link("/home/me/mine.container"));
    let refused = plan(&four(), &machine, false);
    assert_eq!(
        refused.to_string(),
        "already ok   3\n  /c/containers/systemd/circ-trans/circ-trans-reconcile.container\n  \
         /c/systemd/user/circ-trans-reconcile.timer\n  /c/systemd/user/circ-trans.timer\n\
         conflicting  1\n  /c/containers/systemd/circ-trans/circ-trans.container is a link to \
         /home/me/mine.container\n"
    );
    assert_eq!(
        refused.steps().unwrap_err().to_string(),
        "refused: 1 in the way; nothing was changed"
    );
    apply(&plan(&four(), &machine, true), &mut machine);
    let backup = format!("{path}.tessera-backup");
    assert_eq!(machine.paths[&backup], link("/home/me/mine.container"));
    assert!(plan(&four(), &machine, false).is_empty());
    // A second time, under another name.
    machine.paths.insert(path.to_owned(), Seen::File);
    apply(&plan(&four(), &machine, true), &mut machine);
    assert_eq!(machine.paths[&format!("{backup}-2")], Seen::File);
    assert_eq!(machine.paths[&backup], link("/home/me/mine.container"));
}

#[test]
fn what_breaks_the_folder_is_in_the_way() {
    let mut machine = fresh();
    apply(&plan(&four(), &machine, false), &mut machine);
    let stray = |name: &str| format!("{QUADLET}/circ-trans/{name}");
    let dangling = Seen::Link { target: "/gone".to_owned(), dangling: true };
    machine.paths.insert(stray("mine.container"), dangling.clone());
    machine.paths.insert(stray("mine.txt"), dangling);
    machine.paths.insert(stray("mine.network"), Seen::File);
    let plan = plan(&four(), &machine, false);
    let [conflict] = &plan.conflicting[..] else { panic!("{plan}") };
    assert_eq!(
        (&conflict.path, &conflict.reason),
        (&stray("mine.container"), &Reason::BreaksFolder)
    );
}

#[test]
fn a_unit_of_the_same_name_elsewhere_is_found_and_never_forced() {
    for (path, unit) in [
        ("/c/containers/systemd/mine/circ-trans.container", "circ-trans.service"),
        ("/c/containers/systemd/circ-trans.kube", "circ-trans.service"),
        ("/c/systemd/user/circ-trans.service", "circ-trans.service"),
        ("/etc/systemd/user/circ-trans.timer", "circ-trans.timer"),
    ] {
        for force in [false, true] {
            let mut machine = fresh();
            machine.paths.insert(path.to_owned(), Seen::File);
            let plan = plan(&four(), &machine, force);
            let [conflict] = &plan.conflicting[..] else { panic!("{path}: {plan}") };
            assert_eq!(conflict.reason, Reason::SameUnit(unit.to_owned()));
        }
    }
    let mut machine = fresh();
    // Neither of these is read as a unit.
    for path in
        ["/c/systemd/user/mine/circ-trans.timer", "/c/containers/systemd/x/circ-trans.timer"]
    {
        machine.paths.insert(path.to_owned(), Seen::File);
    }
    assert_eq!(plan(&four(), &machine, false).conflicting, []);
}

#[test]
fn another_tenant_of_a_similar_name_is_left_alone() {
    let mut machine = fresh();
    apply(&plan(&four(), &machine, false), &mut machine);
    let before = machine.clone();
    let circ = Name::new("circ").unwrap();
    let nothing = Declared::nothing(&layout(), &circ, &["/state/units/circ".to_owned()]);
    assert!(plan(&nothing, &machine, true).is_empty());
    let file = "/state/units/circ/circ.timer";
    let circ = Declared::new(&layout(), &circ, &["/state/units/circ".to_owned()], [file]);
    apply(&plan(&circ, &machine, false), &mut machine);
    let untouched = before.paths.iter().all(|(path, seen)| machine.paths.get(path) == Some(seen));
    assert!(untouched);
}

#[test]
fn what_is_rendered_anew_is_written_and_its_timer_started_anew() {
    let files = [unit("circ-trans.service", "[Service]\n"), unit("circ-trans.timer", "[Timer]\n")];
    let mut machine = fresh();
    apply(&plan(&rendered(&files), &machine, false), &mut machine);
    assert!(plan(&rendered(&files), &machine, false).is_empty());
    assert_eq!(machine.texts.len(), 2);

    let later = [files[0].clone(), unit("circ-trans.timer", "[Timer]\nOnCalendar=daily\n")];
    let change = plan(&rendered(&later), &machine, false);
    let told = format!(
        "changed      1\n  {ROOT}/circ-trans.timer\nalready ok   2\n  \
         {SYSTEMD}/circ-trans.service\n  {SYSTEMD}/circ-trans.timer\nconflicting  0\n\
         restart      1\n  circ-trans.timer\n"
    );
    assert_eq!(change.to_string(), told);
    let steps = change.steps().unwrap();
    let timer = "circ-trans.timer".to_owned();
    // It is written while the timer as it was goes on.
    assert_eq!(steps[1..], [Step::Halt(timer.clone()), Step::Reload, Step::Restart(timer)]);
    apply(&change, &mut machine);
    assert!(plan(&rendered(&later), &machine, false).is_empty());
}

#[test]
fn an_edit_of_what_was_rendered_is_undone_and_kept() {
    let files = [unit("circ-trans.service", "[Service]\n"), unit("circ-trans.timer", "[Timer]\n")];
    let mut machine = fresh();
    apply(&plan(&rendered(&files), &machine, false), &mut machine);
    let path = format!("{ROOT}/circ-trans.service");
    let edited = machine.texts[&path].replace("[Service]", "[Service]\nNice=5");
    machine.texts.insert(path.clone(), edited.clone());
    let change = plan(&rendered(&files), &machine, false);
    assert_eq!(change.write[0].found, Found::Edited);
    apply(&change, &mut machine);
    let backup = format!("{path}.tessera-backup");
    assert_eq!(machine.texts[&backup], edited);
    assert!(plan(&rendered(&files), &machine, false).is_empty());

    // What is kept stays when the tenant goes, and nothing else does.
    let nothing = Declared::nothing(&layout(), &tenant(), &[ROOT.to_owned()]);
    apply(&plan(&nothing, &machine, false), &mut machine);
    assert_eq!(machine.texts.keys().collect::<Vec<_>>(), [&backup]);
    assert!(plan(&nothing, &machine, false).is_empty());
}

#[test]
fn a_tenant_that_runs_goes_only_by_force() {
    let mut machine = fresh();
    apply(&plan(&four(), &machine, false), &mut machine);
    machine.running.insert("circ-trans.service".to_owned());
    let nothing = Declared::nothing(&layout(), &tenant(), &[ROOT.to_owned()]);
    let refused = plan(&nothing, &machine, false);
    assert!(refused.to_string().contains("  circ-trans.service is running\n"), "{refused}");
    assert!(refused.steps().is_err());
    let forced = plan(&nothing, &machine, true);
    assert!(forced.steps().unwrap().contains(&Step::Stop("circ-trans.service".to_owned())));
    assert_eq!(forced.forget.len(), 4);
    apply(&forced, &mut machine);
    assert_eq!(machine, fresh());
    // A service that the tenant drops may end.
    apply(&plan(&four(), &machine, false), &mut machine);
    machine.running.insert("circ-trans-reconcile.service".to_owned());
    let fewer = declared(&["circ-trans.container", "circ-trans.timer"]);
    assert_eq!(plan(&fewer, &machine, false).conflicting, []);
}

#[test]
fn what_systemd_did_not_read_is_read_and_what_stands_still_is_started() {
    let mut machine = fresh();
    apply(&plan(&four(), &machine, false), &mut machine);
    let names = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect::<Vec<_>>();
    machine.stale.insert("circ-trans.service".to_owned());
    let change = plan(&four(), &machine, false);
    assert_eq!((change.reload, &change.restart), (true, &vec![]));
    machine.stale.clear();
    machine.inactive.insert("circ-trans.timer".to_owned());
    let change = plan(&four(), &machine, false);
    assert_eq!((change.reload, &change.restart), (false, &names(&["circ-trans.timer"])));
    machine.inactive.clear();
    // Others' units are not this tenant's business.
    machine.stale.insert("circ.timer".to_owned());
    machine.inactive.insert("circ.timer".to_owned());
    assert!(plan(&four(), &machine, false).is_empty());
    // Nobody knows how far it came.
    machine.unfinished =
        Some(names(&["circ-trans.timer", "circ-trans-old.timer"]).into_iter().collect());
    let change = plan(&four(), &machine, false);
    assert_eq!((change.reload, change.restart.len()), (true, 2));
    assert_eq!(change.forget, names(&["circ-trans-old.timer"]));
}

/// Names that are the tenant's, somebody's, or neither read.
fn names() -> impl Strategy<Value = String> {
    let stems = ["circ-trans", "circ-trans-reconcile", "circ-trans-old", "circ", "mine"];
    let extensions = ["container", "service", "timer", "network", "txt"];
    (prop::sample::select(stems.to_vec()), prop::sample::select(extensions.to_vec()))
        .prop_map(|(stem, extension)| format!("{stem}.{extension}"))
}

fn seen() -> impl Strategy<Value = Seen> {
    let targets = names().prop_flat_map(|name| {
        let roots = [ROOT, "/state/units/circ", "/home/me", "/state/units/circ-trans/.."];
        prop::sample::select(roots.to_vec()).prop_map(move |root| format!("{root}/{name}"))
    });
    prop_oneof![
        4 => (targets, any::<bool>()).prop_map(|(target, dangling)| Seen::Link { target, dangling }),
        1 => Just(Seen::File),
        1 => Just(Seen::Folder),
    ]
}

/// A machine on which anything may be.
fn machines() -> impl Strategy<Value = Observed> {
    let folders = ["circ-trans", "mine"].map(|name| format!("{QUADLET}/{name}"));
    let places = prop::sample::select([&folders[..], &[SYSTEMD.to_owned()]].concat());
    let files = prop::collection::btree_map((places, names()), seen(), 0..8);
    let folder = prop_oneof![6 => Just(Seen::Folder), 1 => seen()];
    let enabled = prop::collection::btree_set(names(), 0..3);
    (files, folder, enabled).prop_map(|(files, folder, enabled)| {
        let mut machine = fresh();
        let own = format!("{QUADLET}/circ-trans");
        for ((place, name), seen) in files {
            if place != own || folder == Seen::Folder {
                machine.paths.insert(format!("{place}/{name}"), seen);
            }
            machine.paths.entry(place).or_insert(Seen::Folder);
        }
        machine.paths.insert(own, folder);
        // Only what is there can be enabled.
        let there = |timer: &String| {
            let seen = machine.paths.get(&format!("{SYSTEMD}/{timer}"));
            timer.ends_with(".timer") && matches!(seen, Some(Seen::Link { .. }))
        };
        machine.enabled = enabled.into_iter().filter(there).collect();
        for timer in &machine.enabled {
            let seen = machine.paths[&format!("{SYSTEMD}/{timer}")].clone();
            machine.paths.insert(format!("{SYSTEMD}/timers.target.wants/{timer}"), seen);
        }
        machine
    })
}

fn declarations() -> impl Strategy<Value = Declared> {
    let container = any::<bool>();
    (prop::sample::subsequence(vec!["", "-reconcile", "-old"], 0..3), container).prop_map(
        |(suffixes, container)| {
            let extension = if container { "container" } else { "service" };
            let files = suffixes.iter().flat_map(|suffix| {
                [format!("circ-trans{suffix}.{extension}"), format!("circ-trans{suffix}.timer")]
            });
            let files: Vec<_> = files.collect();
            declared(&files.iter().map(String::as_str).collect::<Vec<_>>())
        },
    )
}

#[test]
fn a_timer_that_also_lies_in_quadlets_folder_is_disabled_once_or_not_at_all() {
    let target = format!("{ROOT}/circ-trans-old.timer");
    let mut machine = fresh();
    machine.paths.insert(format!("{QUADLET}/circ-trans"), Seen::Folder);
    for folder in [format!("{QUADLET}/circ-trans"), SYSTEMD.to_owned()] {
        machine.paths.insert(format!("{folder}/circ-trans-old.timer"), link(&target));
    }
    machine.enabled.insert("circ-trans-old.timer".to_owned());
    let uninstall = plan(&declared(&[]), &machine, false);
    assert_eq!(uninstall.disable, ["circ-trans-old.timer"]);
    apply(&uninstall, &mut machine);

    // The one that is declared stays enabled, whatever goes elsewhere.
    let target = format!("{ROOT}/circ-trans.timer");
    let declared = declared(&["circ-trans.timer"]);
    machine.paths.insert(format!("{QUADLET}/circ-trans"), Seen::Folder);
    for folder in [format!("{QUADLET}/circ-trans"), SYSTEMD.to_owned()] {
        machine.paths.insert(format!("{folder}/circ-trans.timer"), link(&target));
    }
    machine.enabled.insert("circ-trans.timer".to_owned());
    let repair = plan(&declared, &machine, false);
    assert_eq!((repair.disable.len(), repair.remove.len()), (0, 1), "{repair}");
}

fn leads_to(seen: &Seen, place: &str) -> bool {
    matches!(seen, Seen::Link { target, .. } if target == place)
}

/// Whether something is the tenant's: a link that leads below its folder.
fn is_own(seen: &Seen) -> bool {
    matches!(seen, Seen::Link { target, .. }
        if target.starts_with(&format!("{ROOT}/")) && !target.contains(".."))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn what_was_applied_needs_nothing_more(
        declared in declarations(),
        mut machine in machines(),
        force in any::<bool>(),
    ) {
        let before = machine.clone();
        let first = plan(&declared, &machine, force);
        if !first.conflicting.is_empty() {
            prop_assert!(first.steps().is_err());
            return Ok(());
        }
        apply(&first, &mut machine);
        let second = plan(&declared, &machine, false);
        prop_assert!(second.is_empty(), "{first}\n{second}");
        for (path, target) in declared.links() {
            let leads = machine.paths.get(path).is_some_and(|seen| leads_to(seen, target));
            prop_assert!(leads, "{}", path);
        }
        prop_assert!(declared.timers().is_subset(&machine.enabled));
        // What is not ours is where it was, or, if that was forced, under its backup's name.
        for (path, seen) in before.paths.iter().filter(|(_, seen)| !is_own(seen)) {
            let aside = first.set_aside.iter().find(|aside| aside.path == *path);
            prop_assert!(force || aside.is_none());
            let now = aside.map_or(path, |aside| &aside.backup);
            let emptied = first.remove_folder.as_ref() == Some(path);
            prop_assert!(emptied || machine.paths.get(now) == Some(seen), "{path}\n{first}");
        }
    }
}
