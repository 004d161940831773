"""The telemetry hub: a folder with a sub-folder for each tenant, in which its program keeps what it
did.

The one idea: a line is there whole or not at all. It is appended by one write under a lock and
synced before anything follows from it; what a full disk cut off is taken back, and what a crash cut
off is left alone, skipped by readers, with the next line on a line of its own.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import stat
import time
from typing import Callable, Iterator, Optional, Tuple

from .manifest import Manifest
from .records import History, ServiceHistory
from .textfile import textfile

RUNS = "runs.jsonl"
OPENLINEAGE = "openlineage.jsonl"
MIGRATIONS = "migrations.jsonl"

# A file of this size is turned over before a line is appended to it.
_BYTES_MAX = 4 << 20

_LOCK = "lock"
_MIGRATE_LOCK = "migrate.lock"
# How long another writer is waited for. Each holds the lock for one write.
_LOCK_WAIT_SECONDS = 10.0
_LOCK_RETRY_SECONDS = 0.01
# How often a tenant that runs all the time is looked at before it is taken to be alive.
_LOOKS_MAX = 8


class HubError(Exception):
    """What could not be done with a file of the hub."""

    def __init__(self, path: str, error: OSError) -> None:
        super().__init__(f"{path}: {error.strerror or error}")


class HubBusy(HubError):
    """Somebody else holds what is to be held."""


class Hub:
    """What a tenant has in the hub at ``root``. Nothing is touched before it is needed."""

    def __init__(self, root: str, textfiles: Optional[str], tenant: str) -> None:
        self._folder = os.path.join(root, tenant)
        self._textfiles = textfiles or os.path.join(root, "metrics")

    def history(self) -> History:
        """What is known of the tenant's runs."""
        history = History()
        for line in self.lines(RUNS):
            history.take(line)
        return history

    def look(self, service: Optional[str]) -> Tuple[ServiceHistory, bool]:
        """What is known of one service's runs, and whether the one that has not ended is alive."""
        seen = self.history().of(service)
        # Runs begin and end between two looks. A run is marked before its first line and until
        # after its last, so one that has no mark and still no end a look later will have none.
        for _ in range(_LOOKS_MAX):
            if seen.open is None or self._is_running(service):
                return seen, True
            again = self.history().of(service)
            if again.open == seen.open:
                return again, False
            seen = again
        return seen, True

    def lines(self, name: str) -> Iterator[str]:
        """Each line of a file, the torn ones too. What is not there or is no file (a device may
        never end) has none."""
        path = self._path(name)
        with _place(path):
            try:
                file = open(path, "rb")
            except FileNotFoundError:
                return
            with file:
                if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                    return
                for line in file:
                    yield line.rstrip(b"\n").decode("utf-8", "replace")

    def append(self, name: str, line: str) -> None:
        """Appends a line to a file, durably. If it cannot be written, the file is as it was, as far
        as that can be had."""
        path = self._path(name)
        with self._locked(_LOCK, fcntl.LOCK_EX), _place(path):
            if name != MIGRATIONS and _size(path) >= _BYTES_MAX:
                # Where it cannot be done the file grows on, and the next line tries again.
                with contextlib.suppress(OSError, HubError):
                    self._turn_over(name)
            _append(path, line.encode("utf-8", "replace"))

    def _turn_over(self, name: str) -> None:
        """Puts a file aside as ``….1.jsonl``, in place of the one before, and begins it anew with
        the lines on which what is known of the runs rests. It is there at any time."""
        path = self._path(name)
        kept = ""
        if name == RUNS:
            history = self.history()
            kept = "".join(f"{line}\n" for line in self.lines(name) if history.rests_on(line))
        aside = f"{path[: -len('.jsonl')]}.1.jsonl"
        with contextlib.suppress(FileNotFoundError):
            os.unlink(aside)
        os.link(path, aside)
        _replace(path, kept.encode("utf-8", "replace"))
        _sync_folders(path)

    def refresh_textfile(self, manifest: Manifest) -> None:
        """Writes the text file anew from what is known of the runs."""
        path = os.path.join(self._textfiles, f"tessera_tenant_{manifest.name}.prom")
        # Under the lock, so that of two writers the later one has seen what the other did.
        with self._locked(_LOCK, fcntl.LOCK_EX):
            text = textfile(manifest, self.history())
            with _place(path):
                _replace(path, text.encode())

    def hold_run(self, service: Optional[str]) -> contextlib.AbstractContextManager:
        """Marks a service as running."""
        return self._locked(_run_lock(service), fcntl.LOCK_SH)

    def _is_running(self, service: Optional[str]) -> bool:
        try:
            file = os.open(self._path(_run_lock(service)), os.O_RDONLY)
        except OSError:
            return False
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return False
        except BlockingIOError:
            return True
        except OSError:
            return False
        finally:
            os.close(file)

    def hold_migrations(self) -> contextlib.AbstractContextManager:
        """Keeps others from migrating. Entering raises HubBusy if somebody does."""
        return self._locked(_MIGRATE_LOCK, fcntl.LOCK_EX, patience=0)

    @contextlib.contextmanager
    def _locked(
        self, name: str, operation: int, patience: float = _LOCK_WAIT_SECONDS
    ) -> Iterator[None]:
        path = self._path(name)
        with _place(path):
            os.makedirs(self._folder, exist_ok=True)
            file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
        try:
            with _place(path):
                _wait_for(file, operation, patience)
            yield
        finally:
            os.close(file)

    def _path(self, name: str) -> str:
        return os.path.join(self._folder, name)


def _run_lock(service: Optional[str]) -> str:
    return f"run-{service}.lock" if service else "run.lock"


@contextlib.contextmanager
def _place(path: str) -> Iterator[None]:
    """Says of an error which file it is about."""
    try:
        yield
    except BlockingIOError as error:
        raise HubBusy(path, error) from error
    except OSError as error:
        raise HubError(path, error) from error


def _wait_for(file: int, operation: int, patience: float) -> None:
    """Takes a lock, with patience: a process that is frozen may hold one for ever."""
    until = time.monotonic() + patience
    while True:
        try:
            return fcntl.flock(file, operation | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= until:
                raise
            time.sleep(_LOCK_RETRY_SECONDS)


def _size(path: str) -> int:
    try:
        return os.stat(path).st_size
    except OSError:
        return 0


def _append(path: str, line: bytes) -> None:
    file = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o666)
    try:
        length = os.fstat(file).st_size
        torn = length > 0 and os.pread(file, 1, length - 1) != b"\n"
        try:
            _write_all(file, (b"\n" if torn else b"") + line + b"\n")
            _sync_data(file)
        except OSError:
            # Half a line says nothing, and what the disk would not take it cannot be asked to keep.
            with contextlib.suppress(OSError):
                os.ftruncate(file, length)
            raise
    finally:
        os.close(file)
    if length == 0:
        _sync_folders(path)


def _write_all(file: int, data: bytes) -> None:
    while data:
        data = data[os.write(file, data) :]


# macOS has no fdatasync.
_sync_data: Callable[[int], None] = getattr(os, "fdatasync", os.fsync)


def _sync_folders(path: str) -> None:
    """Makes a new file's name durable, and that of its folder."""
    folder = os.path.dirname(path)
    for name in (folder, os.path.dirname(folder)):
        if name:
            file = os.open(name, os.O_RDONLY)
            try:
                os.fsync(file)
            finally:
                os.close(file)


def _replace(path: str, data: bytes) -> None:
    """Puts a file in another's place, at once for readers. The file beside it has a name that
    node_exporter does not read."""
    beside = f"{path}.tmp"
    os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
    file = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o666)
    try:
        try:
            _write_all(file, data)
            _sync_data(file)
        finally:
            os.close(file)
        os.replace(beside, path)
    except OSError:
        with contextlib.suppress(OSError):
            os.unlink(beside)
        raise
