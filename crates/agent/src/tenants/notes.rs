//! What is remembered of tenants, on the disk.

use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use tessera_types::Uid;
use tracing::warn;

use super::core::Note;
use crate::state_dir::write_durably;

/// One file for each tenant. What it says is on the disk when it is said to be saved: units outlast a crash of the
/// machine, and so must what is known of them.
#[derive(Clone, Debug)]
pub(crate) struct NoteStore {
    dir: PathBuf,
}

impl NoteStore {
    /// A store in this folder, which is made.
    pub(crate) fn open(dir: PathBuf) -> io::Result<Self> {
        DirBuilder::new().recursive(true).mode(0o700).create(&dir)?;
        Ok(Self { dir })
    }

    fn path(&self, id: Uid) -> PathBuf {
        self.dir.join(format!("{id}.json"))
    }

    pub(super) fn save(&self, note: &Note) -> io::Result<()> {
        write_durably(&self.path(note.id), &serde_json::to_vec(note)?)
    }

    pub(super) fn forget(&self, id: Uid) -> io::Result<()> {
        match fs::remove_file(self.path(id)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => File::open(&self.dir)?.sync_all(),
        }
    }

    /// Everything that was saved. A file that cannot be read is left out: its tenant is installed anew if it is
    /// still assigned.
    pub(crate) fn load(&self) -> io::Result<Vec<Note>> {
        let mut notes = Vec::new();
        for entry in fs::read_dir(&self.dir)? {
            let path = entry?.path();
            if path.extension().is_none_or(|extension| extension != "json") {
                continue;
            }
            match read(&path) {
                Ok(note) => notes.push(note),
                // The message of the parser could repeat a secret.
                Err(_) => {
                    warn!(target: "tessera::agent", file = %path.display(), "cannot be read, and is left out");
                }
            }
        }
        Ok(notes)
    }
}

fn read(path: &Path) -> io::Result<Note> {
    Ok(serde_json::from_slice(&fs::read(path)?)?)
}
