//! The file: who has it, whether it is ours, and how it comes to be.
//!
//! The one idea: everything that can be wrong with a file is found out before
//! the database engine touches it. A new one is made aside and then renamed, so
//! a file under the right name is always complete.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags};
use rustix::fs::{FlockOperation, flock};

use crate::error::OpenError;
use crate::sqlite::fault::explain;

/// Only the owner may read or write.
const MODE: u32 = 0o600;

/// The part of a database's first page that says what it is.
/// Source: "The Database Header" in <https://sqlite.org/fileformat2.html>.
const HEADER_BYTES: usize = 100;
const MAGIC: &[u8] = b"SQLite format 3\0";
const USER_VERSION_AT: usize = 60;
const APPLICATION_ID_AT: usize = 68;

/// What a sort of file is known by, and what an empty one of it has.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Format {
    /// Marks the file as one of this sort.
    pub(crate) application_id: u32,
    /// The format that this release writes, and the newest that it reads.
    pub(crate) version: u32,
    /// Makes the tables of an empty file.
    pub(crate) tables: &'static str,
}

/// The right to use a database; held while the value lives.
#[derive(Debug)]
pub(crate) struct Lock(#[expect(dead_code, reason = "closing the file releases the lock")] File);

impl Lock {
    /// Takes the lock of the database at `path`.
    pub(crate) fn take(path: &Path) -> Result<Self, OpenError> {
        let lock_path = beside(path, ".lock");
        let mut file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .read(true)
            .write(true)
            .mode(MODE)
            .open(&lock_path)
            .map_err(|source| io_error(&lock_path, "open the lock", source))?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(rustix::io::Errno::WOULDBLOCK) => {
                let mut holder = String::new();
                let _ = file.read_to_string(&mut holder);
                return Err(OpenError::Locked {
                    path: path.to_owned(),
                    holder: holder.trim().parse().ok(),
                });
            }
            Err(errno) => return Err(io_error(&lock_path, "lock", errno.into())),
        }
        // Who holds it is only told to people, so it does not matter if a full
        // disk keeps it from being written.
        let _ = name_holder(&mut file);
        Ok(Self(file))
    }
}

fn name_holder(file: &mut File) -> io::Result<()> {
    file.set_len(0)?;
    file.rewind()?;
    writeln!(file, "{}", std::process::id())
}

/// Sees to it that there is a database of this format at `path`. Returns its version, which
/// may be an older one.
pub(crate) fn prepare(path: &Path, format: &Format) -> Result<u32, OpenError> {
    match read_header(path) {
        Ok(header) if header.is_empty() => made(path, format),
        Ok(header) => check_header(path, &header, format),
        Err(error) if error.kind() == io::ErrorKind::NotFound => made(path, format),
        Err(source) => Err(io_error(path, "read", source)),
    }
}

fn read_header(path: &Path) -> io::Result<Vec<u8>> {
    let mut header = Vec::with_capacity(HEADER_BYTES);
    File::open(path)?.take(HEADER_BYTES as u64).read_to_end(&mut header)?;
    Ok(header)
}

/// The version that a file of this format has.
fn check_header(path: &Path, header: &[u8], format: &Format) -> Result<u32, OpenError> {
    let foreign = |why| Err(OpenError::NotADatabase { path: path.to_owned(), why });
    let number_at = |at: usize| {
        let bytes = header.get(at..at + 4).and_then(|bytes| bytes.try_into().ok());
        u32::from_be_bytes(bytes.unwrap_or_default())
    };
    if header.len() < HEADER_BYTES || !header.starts_with(MAGIC) {
        return foreign("it is no SQLite database");
    }
    if number_at(APPLICATION_ID_AT) != format.application_id {
        return foreign("it is another program's SQLite database");
    }
    match number_at(USER_VERSION_AT) {
        0 => foreign("it says no format"),
        found if found > format.version => {
            Err(OpenError::Newer { path: path.to_owned(), found, known: format.version })
        }
        found => Ok(found),
    }
}

fn made(path: &Path, format: &Format) -> Result<u32, OpenError> {
    create(path, format).map(|()| format.version)
}

fn create(path: &Path, format: &Format) -> Result<(), OpenError> {
    let wal = beside(path, "-wal");
    if wal.exists() {
        // The engine would play it into the new file.
        let what = format!("{} is there without it", wal.display());
        return Err(OpenError::Damaged { path: path.to_owned(), what });
    }
    let aside = beside(path, ".new");
    let _ = fs::remove_file(&aside);
    OpenOptions::new()
        .create_new(true)
        .write(true)
        .mode(MODE)
        .open(&aside)
        .map_err(|source| io_error(&aside, "create", source))?;
    make_tables(&aside, format).map_err(|error| explain(path, error.into()))?;
    fs::rename(&aside, path).map_err(|source| io_error(path, "create", source))?;
    sync_folder(path).map_err(|source| io_error(path, "save the folder of", source))
}

fn make_tables(path: &Path, format: &Format) -> rusqlite::Result<()> {
    let connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    connection.pragma_update(None, "application_id", format.application_id)?;
    connection.pragma_update(None, "user_version", format.version)?;
    connection.execute_batch(&format!("BEGIN; {} COMMIT;", format.tables))
}

/// Makes sure that the file's name survives a loss of power.
fn sync_folder(path: &Path) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
}

/// The file of the same name with `suffix` added.
pub(crate) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

fn io_error(path: &Path, action: &'static str, source: io::Error) -> OpenError {
    OpenError::Io { path: path.to_owned(), action, source }
}
