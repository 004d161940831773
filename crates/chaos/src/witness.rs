//! The program that workloads run: it knows nothing of Tessera, and cannot be fooled.
//!
//! The one idea: a copy holds a lock on a file that is named by its workload, and only the
//! kernel releases that, when the copy is gone. So two live copies see each other, whoever
//! started them, and the file says which copies lived when.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use rustix::fs::{FlockOperation, flock};
use rustix::time::{ClockId, clock_gettime};

/// The word by which a witness is found among all processes.
pub(crate) const WORD: &str = "witness";
/// The variable that names the folder of a run, which is in that of its agent.
const RUN_DIR: &str = "TESSERA_RUN_DIR=";
/// Between two lines that say that it lives.
const PULSE: Duration = Duration::from_millis(500);

/// One copy of a workload.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct Witness {
    /// The folder of all witnesses' files
    folder: PathBuf,
    /// Whose copy it is
    name: String,
    /// What is set aside for it, in thousandths of a processor: for whoever counts
    #[arg(long, default_value_t = 0)]
    cpu: u64,
    /// How long it lives, in milliseconds; for ever unless given
    #[arg(long)]
    live: Option<u64>,
    /// The code that it ends with
    #[arg(long, default_value_t = 0)]
    code: u8,
    /// What it says last
    #[arg(long)]
    say: Option<String>,
}

impl Witness {
    /// Lives.
    pub(crate) fn run(self) -> ExitCode {
        match self.live() {
            Ok(code) => code,
            Err(error) => {
                eprintln!("witness: {error}");
                ExitCode::from(99)
            }
        }
    }

    fn live(&self) -> io::Result<ExitCode> {
        let path = self.folder.join(&self.name);
        let file = File::options().create(true).append(true).read(true).open(path)?;
        let begun = Instant::now();
        note(&file, Event::Start)?;
        let mut is_alone = false;
        let mut was_refused = false;
        loop {
            if !is_alone {
                is_alone = flock(&file, FlockOperation::NonBlockingLockExclusive).is_ok();
                if !is_alone && !was_refused {
                    was_refused = true;
                    note(&file, Event::Refused)?;
                }
            }
            if let Some(live) = self.live.map(Duration::from_millis) {
                let left = live.saturating_sub(begun.elapsed());
                if left.is_zero() {
                    break;
                }
                std::thread::sleep(left.min(PULSE));
            } else {
                std::thread::sleep(PULSE);
            }
            note(&file, Event::Alive)?;
        }
        note(&file, Event::End)?;
        if let Some(say) = &self.say {
            println!("{say}");
        }
        Ok(ExitCode::from(self.code))
    }
}

/// What a line says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// It was started.
    Start,
    /// Another copy lives.
    Refused,
    /// It lives.
    Alive,
    /// It ends by itself.
    End,
}

impl Event {
    const ALL: [(Self, &str); 4] = [
        (Self::Start, "start"),
        (Self::Refused, "refused"),
        (Self::Alive, "alive"),
        (Self::End, "end"),
    ];

    fn word(self) -> &'static str {
        Self::ALL.into_iter().find(|(event, _)| *event == self).map_or("", |(_, word)| word)
    }
}

/// A line is written at once, so lines of several copies do not mix.
fn note(mut file: &File, event: Event) -> io::Result<()> {
    let wall = jiff::Timestamp::now().as_millisecond();
    let line = format!("{} {wall} {} {}\n", boot_ms(), std::process::id(), event.word());
    file.write_all(line.as_bytes())
}

/// Since the machine was started, in milliseconds.
pub(crate) fn boot_ms() -> i64 {
    let now = clock_gettime(ClockId::Boottime);
    now.tv_sec * 1000 + now.tv_nsec / 1_000_000
}

/// A line of a witness.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Line {
    /// When, in milliseconds since the machine was started.
    pub(crate) boot_ms: i64,
    /// When by the wall clock, in milliseconds.
    pub(crate) wall_ms: i64,
    /// Who.
    pub(crate) pid: u32,
    /// What.
    pub(crate) event: Event,
}

impl Line {
    fn parse(text: &str) -> Option<Self> {
        let mut words = text.split(' ');
        let (boot_ms, wall_ms) = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
        let (pid, word) = (words.next()?.parse().ok()?, words.next()?);
        let event = Event::ALL.into_iter().find(|(_, it)| *it == word)?.0;
        Some(Self { boot_ms, wall_ms, pid, event })
    }
}

/// What the witnesses of all workloads wrote, by name.
pub(crate) fn read_all(folder: &Path) -> Vec<(String, Vec<Line>)> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let read = |entry: fs::DirEntry| {
        let text = fs::read_to_string(entry.path()).unwrap_or_default();
        let name = entry.file_name().to_string_lossy().into_owned();
        (name, text.lines().filter_map(Line::parse).collect())
    };
    let mut all: Vec<_> = entries.map(read).collect();
    all.sort_by(|one: &(String, Vec<Line>), other| one.0.cmp(&other.0));
    all
}

/// A copy that lives, as `/proc` shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Copy {
    /// Whose copy it is.
    pub(crate) name: String,
    pub(crate) pid: u32,
    /// Whose agent started it; nothing where that cannot be told.
    pub(crate) node: String,
    /// What is set aside for it, in thousandths of a processor.
    pub(crate) cpu: u64,
}

/// The copies that live and write into `folder`.
pub(crate) fn live(folder: &Path) -> Vec<Copy> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let read = |pid: u32, file: &str| {
        String::from_utf8(fs::read(format!("/proc/{pid}/{file}")).ok()?).ok()
    };
    let copy = |pid| copy_of(pid, folder, &read(pid, "cmdline")?, &read(pid, "environ")?);
    pids.filter_map(copy).collect()
}

/// What a process is by its command line and its environment.
fn copy_of(pid: u32, folder: &Path, line: &str, environment: &str) -> Option<Copy> {
    let words: Vec<_> = line.split('\0').collect();
    // A zombie has no command line, so this one lives.
    if *words.get(1)? != WORD || Path::new(words.get(2)?) != folder {
        return None;
    }
    let cpu = words.iter().skip_while(|word| **word != "--cpu").nth(1);
    let run = environment.split('\0').find_map(|entry| entry.strip_prefix(RUN_DIR));
    let below = run.and_then(|run| Path::new(run).strip_prefix(folder.parent()?).ok());
    let node = below.and_then(|below| below.iter().next());
    Some(Copy {
        name: (*words.get(3)?).to_owned(),
        pid,
        node: node.unwrap_or_default().to_string_lossy().into_owned(),
        cpu: cpu.and_then(|cpu| cpu.parse().ok()).unwrap_or_default(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_read_as_it_was_written() {
        let path = std::env::temp_dir().join(format!("tessera-witness-{}", std::process::id()));
        let file = File::options().create(true).append(true).open(&path).unwrap();
        note(&file, Event::Refused).unwrap();
        let text = fs::read_to_string(&path).unwrap();
        fs::remove_file(&path).unwrap();
        let line = Line::parse(text.trim_end()).unwrap();
        assert_eq!((line.pid, line.event), (std::process::id(), Event::Refused));
        assert!(line.boot_ms > 0 && line.wall_ms > 0);
    }

    #[test]
    fn a_copy_is_known_by_its_command_line_and_its_node_by_its_environment() {
        let folder = Path::new("/tmp/area/witness");
        let line = "/bin/chaos\0witness\0/tmp/area/witness\0web\0--cpu\x0070\0";
        let of = |line: &str, environment: &str| copy_of(7, folder, line, environment);
        let environment = "A=b\0TESSERA_RUN_DIR=/tmp/area/node-2/state/runs/1\0";
        let (name, node) = ("web".to_owned(), "node-2".to_owned());
        let copy = Copy { name, pid: 7, node, cpu: 70 };
        assert_eq!(of(line, environment), Some(copy.clone()));
        assert_eq!(of(line, "A=b\0"), Some(Copy { node: String::new(), ..copy }));
        assert_eq!(of(&line.replace("area", "other"), environment), None);
        assert_eq!(of("/bin/sh\0-c\0witness\0", environment), None);
    }
}
