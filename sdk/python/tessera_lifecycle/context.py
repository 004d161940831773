"""What a run is told, and what it may tell."""

from __future__ import annotations

import sys
from typing import Optional, Sequence, Tuple

from .manifest import Manifest
from .outcome import check_rows


class Context:
    """What a run or a migration is given."""

    def __init__(
        self,
        manifest: Manifest,
        service: Optional[str],
        is_dry_run: bool,
        arguments: Sequence[str] = (),
    ) -> None:
        self._manifest = manifest
        self._service = service
        self._is_dry_run = is_dry_run
        self._arguments = tuple(arguments)
        self._rows: Optional[int] = None

    @property
    def is_dry_run(self) -> bool:
        """Whether nothing may be written. ``TESSERA_DRY_RUN=1`` says the same to programs that the
        run starts."""
        return self._is_dry_run

    @property
    def manifest(self) -> Manifest:
        """The tenant's manifest."""
        return self._manifest

    @property
    def service(self) -> Optional[str]:
        """The suffix of the service that runs; None for the primary."""
        return self._service

    @property
    def arguments(self) -> Tuple[str, ...]:
        """What stands behind the verb on the command line."""
        return self._arguments

    def rows(self, rows: int) -> None:
        """Tells how many rows the run has written so far; the last word counts."""
        self._rows = check_rows(rows)

    @property
    def rows_told(self) -> Optional[int]:
        """How many rows the run has told of."""
        return self._rows

    def log(self, text: str) -> None:
        """Writes a line to standard error, which the service manager keeps."""
        say(self._manifest.name, text)


def say(name: str, text: str) -> None:
    """Tells people something about a tenant. That nobody can hear it changes nothing."""
    write_error(f"{name}: {text}\n")


def write_error(text: str) -> None:
    """Writes to standard error, if that can be."""
    try:
        sys.stderr.write(text)
        sys.stderr.flush()
    except (OSError, ValueError, AttributeError):
        pass


def write_output(text: str) -> None:
    """Writes to standard output, whose encoding may be poorer than the hub's. That nobody reads it
    changes nothing."""
    try:
        sys.stdout.flush()
        sys.stdout.buffer.write(text.encode("utf-8", "replace"))
        sys.stdout.buffer.flush()
    except (OSError, ValueError, AttributeError):
        pass
