//! Containers of tenants: where their files may be, and who sees their variables.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use tessera_testkit::user_manager;

use crate::host::{wait_for, write};
use crate::lake::{Lake, RARELY};

fn lake() -> Option<Lake> {
    user_manager()?.with_podman().map(Lake::new)
}

#[test]
fn a_container_runs_from_a_folder_with_a_space() {
    let Some(lake) = lake() else { return };
    let entrypoint = r#"["sh", "-c", "test -s $TESSERA_TENANT_MANIFEST && exit 9"]"#;
    let image = lake.manager.image();
    lake.declare("box", RARELY, &format!("image = {image:?}\nentrypoint = {entrypoint}\n"));
    fs::create_dir_all(lake.path("my lake, 5%")).unwrap();
    fs::rename(lake.path("box"), lake.path("my lake, 5%/box")).unwrap();
    let entry = "manifest = \"../../my lake, 5%/box/tessera-tenant.toml\"\n";
    write(&lake.path("lake/tenants/box.toml"), entry);
    lake.tenant(&["install", "box"]).expect(0);
    lake.tenant(&["run-now", "box"]).expect(9);
    lake.tenant(&["diff", "box"]).expect(0);
}

/// All files below a folder that have the text, with their modes.
fn files_with(folder: &Path, text: &str, found: &mut Vec<(PathBuf, u32)>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        // A container that runs has files that come and go.
        let Ok(data) = entry.metadata() else { continue };
        let path = entry.path();
        if data.is_dir() {
            files_with(&path, text, found);
        } else if data.is_file()
            && String::from_utf8_lossy(&fs::read(&path).unwrap_or_default()).contains(text)
        {
            found.push((path, data.permissions().mode() & 0o777));
        }
    }
}

#[test]
fn only_the_user_sees_the_values_of_variables() {
    const SECRET: &str = "value-that-nobody-sees";
    let Some(lake) = lake() else { return };
    let before = lake.files();
    let image = lake.manager.image();
    let script = r#"echo \"$LAKE\" >>\"$TESSERA_TELEMETRY_DIR\"/ran; while :; do sleep 1; done"#;
    let declare = |value: &str| {
        let lifecycle = format!(
            "image = {image:?}\nentrypoint = [\"sh\", \"-c\", \"{script}\"]\n\
             environment = {{LAKE = '{value}'}}\n"
        );
        lake.declare("box", RARELY, &lifecycle);
    };
    let value = format!(r#"{SECRET} "b" #5% $HOME \c  ${{d}};"#);
    declare(&value);
    for arguments in [&["install", "box", "-o", "json"][..], &["diff", "box", "-o", "json"]] {
        let ended = lake.tenant(arguments).expect(0);
        assert!(!format!("{ended:?}").contains(SECRET), "{ended:?}");
    }
    lake.manager.systemctl(&["start", "--no-block", "box.service"]);
    let ran = lake.path(".local/state/tessera/telemetry/ran");
    wait_for("the container runs", || fs::read_to_string(&ran).is_ok_and(|it| it.ends_with('\n')));
    assert_eq!(fs::read_to_string(&ran).unwrap(), format!("{value}\n"));

    for entry in fs::read_dir("/proc").unwrap().flatten() {
        let told = fs::read(entry.path().join("cmdline")).unwrap_or_default();
        let told = String::from_utf8_lossy(&told);
        assert!(!told.contains(SECRET), "{told}");
    }
    let show = ["show", "box.service", "-p", "ExecStart", "-p", "Environment"];
    let shown = lake.manager.systemctl(&show);
    assert!(shown.contains("--env-file") && !shown.contains(SECRET), "{shown}");
    fs::remove_file(ran).unwrap();
    let mut found = Vec::new();
    for folder in [lake.path(".config"), lake.path(".local"), lake.manager.runtime()] {
        files_with(&folder, SECRET, &mut found);
    }
    let own = lake.path(".local/share/tessera/tenants/box/units/box.env");
    assert_eq!(found, [(own, 0o600)]);

    // Another value is one more file that has changed.
    declare("another");
    let change = lake.tenant(&["install", "box"]).expect(0);
    assert!(change.stdout.contains("box: installed: 1 unit changed; next run "), "{change:?}");
    lake.tenant(&["uninstall", "box", "--force"]).expect(0);
    fs::remove_dir_all(lake.path(".local/state")).unwrap();
    let after = lake.files().into_iter().filter(|(path, _)| !before.contains_key(path));
    let left: Vec<_> = after.filter(|(_, said)| said != "a folder").collect();
    assert_eq!(left, []);
}
