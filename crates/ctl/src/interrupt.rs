//! Ctrl-C for commands that change something step by step, or have something to clear away.
//!
//! The one idea: such a command is not cut off wherever it is. It asks for Ctrl-C to be noted, looks
//! for the note where it can end well, and then ends as every interrupted command does.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use tokio::runtime::Builder;
use tokio::signal::unix::{SignalKind, signal};

use crate::context::tell;
use crate::exit::Exit;
use crate::failure::Failure;

/// Whether it was pressed. A signal is the whole process's, and so is this.
pub(crate) static PRESSED: AtomicBool = AtomicBool::new(false);

/// From now on Ctrl-C is noted, and ends nothing by itself. Somebody else looks for it, since the
/// command does not give way.
pub(crate) fn note() -> io::Result<()> {
    let runtime = Builder::new_current_thread().enable_io().build()?;
    let mut pressed = {
        let _entered = runtime.enter();
        signal(SignalKind::interrupt())?
    };
    thread::Builder::new().name("interrupt".to_owned()).spawn(move || {
        runtime.block_on(async {
            while pressed.recv().await.is_some() {
                PRESSED.store(true, Ordering::Relaxed);
            }
        });
    })?;
    Ok(())
}

/// Ends the command here if Ctrl-C was pressed; `what` says how it leaves things.
pub(crate) fn end_if_pressed(what: &str) -> Result<(), Failure> {
    if !PRESSED.load(Ordering::Relaxed) {
        return Ok(());
    }
    tell(&format!("interrupted: {what}\n"));
    Err(Failure::Told(Exit::Interrupted))
}
