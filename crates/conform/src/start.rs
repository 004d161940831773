//! Whether a program can be started at all: else each check would fail for the same reason, and none
//! of their remedies would help.

use std::io;

use crate::area::{Area, Ended};
use crate::{Options, Subject, Verdict, container};

/// What is seen where a program cannot be started, and what to do.
type Hindrance = (String, &'static str);

/// What Python says that lacks a part of the program.
const LACKS: [&str; 2] = ["ModuleNotFoundError: ", "ImportError: "];

/// Why the program cannot be started, if so.
pub(crate) fn hindrance(subject: &Subject, options: Options) -> io::Result<Option<Verdict>> {
    let found = match &subject.service.image {
        Some(image) if !container::is_there(subject, image, options)? => {
            Some((format!("the image {image} is not here"), "make or pull it"))
        }
        image => called(subject, options, image.is_some())?,
    };
    Ok(found.map(|(seen, remedy)| Verdict::failed(seen, remedy)))
}

/// With a word that no program knows, so that none does anything.
fn called(
    subject: &Subject,
    options: Options,
    is_contained: bool,
) -> io::Result<Option<Hindrance>> {
    let area = Area::new(subject)?;
    let call = match area.start(&["frobnicate"], &[], options) {
        Err(error) if !is_contained && is_of_the_program(&error) => {
            return Ok(Some((error.to_string(), "correct `entrypoint` in the manifest")));
        }
        call => call?,
    };
    Ok(told(&call.end(options)?, is_contained))
}

fn is_of_the_program(error: &io::Error) -> bool {
    let kind = error.kind();
    // A program for another machine, or without its first line.
    let is_no_program = error.raw_os_error() == Some(rustix::io::Errno::NOEXEC.raw_os_error());
    matches!(kind, io::ErrorKind::NotFound | io::ErrorKind::PermissionDenied) || is_no_program
}

/// By how it ended.
fn told(ended: &Ended, is_contained: bool) -> Option<Hindrance> {
    let what = match (ended.code(), is_contained) {
        (Some(125), true) => Some((
            "podman could not run the container",
            "correct `image` and `volumes` in the manifest, by what podman says",
        )),
        (Some(126), true) => Some((
            "podman could not execute the program in the image",
            "correct `entrypoint` in the manifest, or make the program executable in the image",
        )),
        (Some(127), true) => Some((
            "podman found no such program in the image",
            "put the program into the image, or correct `entrypoint` in the manifest",
        )),
        (Some(126 | 127), false) => {
            Some(("what it starts is not there", "correct `entrypoint` in the manifest"))
        }
        _ => None,
    };
    let last = ended.stderr.trim_end().lines().next_back().unwrap_or_default();
    let what = what.or_else(|| {
        if LACKS.iter().any(|lacks| last.starts_with(lacks)) {
            let remedy = "install that where the program runs: for its Python, or into its image";
            Some(("a part of the program is not there", remedy))
        } else if last.contains(": can't open file ") {
            Some(("the program is not there", "correct `entrypoint` in the manifest"))
        } else {
            None
        }
    });
    what.map(|(seen, remedy)| (format!("{seen}: {}", ended.words()), remedy))
}
