"""The program of a tenant: reads the command line, and does what its verb says."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import traceback
from dataclasses import replace
from typing import Callable, List, NoReturn, Optional, Sequence, Tuple, Union

from . import environment as environments
from . import health, migrations, tenant as tenants, verbs
from .context import Context, write_error
from .hub import MIGRATIONS, Hub, HubBusy, HubError
from .manifest import ManifestError
from .outcome import FAILED, USAGE, Done, Failure, Outcome
from .outcome import failed, of_exit, of_failure, of_result
from .records import line_of
from .recorder import Recorder
from .tenant import NO_HUB, Tenant, now_ms

Work = Callable[[Context], Union[None, Done, int]]
Migration = Tuple[str, Work]


class LifecycleApp:
    """A tenant's program: its work, and the migrations of what it keeps.

    ``run`` is called with a Context. It returns None, Done or an exit code, or raises: Failure for a
    code with words, anything else for 1. ``migrations`` are pairs of an id and a function, applied
    in order, each once for its id; a crash may repeat the one that it interrupted.
    """

    def __init__(self, run: Work, migrations: Sequence[Migration] = ()) -> None:
        self._run = run
        self._migrations = list(migrations)

    def main(self, argv: Optional[Sequence[str]] = None) -> NoReturn:
        """Does what the command line says, and ends the process with the exit code that is due."""
        words = list(sys.argv if argv is None else argv)
        code = self._answer(words[0] if words else "tenant", words[1:])
        _settle_output()
        sys.exit(code)

    def _answer(self, program: str, words: List[str]) -> int:
        call = verbs.read(words)
        usage = verbs.usage(os.path.basename(program))
        if call.wrong is not None:
            write_error(f"{call.wrong}\n{usage}")
            return USAGE
        if call.verb == verbs.HELP:
            _print(usage)
            return 0
        environment = environments.read(os.environ)
        if call.verb == verbs.DRY_RUN or environment.is_dry:
            # For all that the run starts.
            os.environ[environments.DRY_RUN] = "1"
            environment = replace(environment, is_dry=True)
        try:
            tenant = tenants.load(environment, program)
        except ManifestError as error:
            write_error(f"{error}\n")
            return FAILED
        if call.verb == verbs.STATUS:
            return _status(tenant, call.json)
        if call.verb == verbs.MIGRATE:
            return _migrate(tenant, self._migrations)
        return _work(tenant, self._run, call.arguments)


def _work(tenant: Tenant, run: Work, arguments: Sequence[str]) -> int:
    # `run` in an environment that forbids to write is a dry-run, whatever it is called.
    is_dry = tenant.environment.is_dry
    recorder = Recorder(tenant, verbs.DRY_RUN if is_dry else verbs.RUN)
    context = tenant.context(is_dry, arguments)
    process = os.getpid()
    outcome = _flushed(_call(run, context))
    if os.getpid() != process:
        # What the run forked came back here; it is not the run.
        os._exit(outcome.exit_code)
    if outcome.rows is None:
        outcome = Outcome(outcome.exit_code, context.rows_told, outcome.message)
    if outcome.message:
        tenant.say(outcome.message)
    recorder.end(outcome)
    return outcome.exit_code


def _call(work: Work, context: Context) -> Outcome:
    """Calls a tenant's function."""
    try:
        return of_result(work(context))
    except Failure as failure:
        return of_failure(failure)
    except SystemExit as exit:
        return of_exit(exit.code)
    except KeyboardInterrupt:
        # Ended by a signal, as any other program; a run that was killed is seen as one.
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGINT)
        return failed("interrupted")
    except BaseException:
        write_error(traceback.format_exc())
        return failed()


def _flushed(outcome: Outcome) -> Outcome:
    """A run whose output is lost has not done its work."""
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
    except (OSError, ValueError) as error:
        if outcome.is_success:
            return failed(f"standard output could not be written: {error}")
    return outcome


def _status(tenant: Tenant, json: bool) -> int:
    """Says how the tenant is. Health is the primary's, whichever service asks."""
    if tenant.hub is None:
        tenant.say(NO_HUB)
        return FAILED
    try:
        history, is_running = tenant.hub.look(None)
    except HubError as error:
        tenant.say(str(error))
        return FAILED
    status = health.status(tenant.manifest, history, is_running, now_ms())
    _print((line_of(status.value) if json else status.text) + "\n")
    return 0 if status.is_well else FAILED


class _MigrateError(Exception):
    """Why what is to be applied is not."""


def _migrate(tenant: Tenant, registered: Sequence[Migration]) -> int:
    if tenant.environment.is_dry:
        return _foresee(tenant, registered)
    recorder = Recorder(tenant, verbs.MIGRATE)
    outcome = Outcome(0)
    try:
        _apply_all(tenant, registered, recorder.run_id)
    except (_MigrateError, HubError) as error:
        outcome = failed(str(error))
        tenant.say(str(error))
    recorder.end(outcome)
    return outcome.exit_code


def _foresee(tenant: Tenant, registered: Sequence[Migration]) -> int:
    """Says what would be applied."""
    try:
        hub = _begin(tenant, registered)
        if hub is not None:
            for index, _ in _pending(hub, registered):
                _print(f"would apply {registered[index][0]}\n")
    except (_MigrateError, HubError) as error:
        tenant.say(str(error))
        return FAILED
    return 0


def _apply_all(tenant: Tenant, registered: Sequence[Migration], run_id: str) -> None:
    hub = _begin(tenant, registered)
    if hub is None:
        return
    with contextlib.ExitStack() as held:
        try:
            held.enter_context(hub.hold_migrations())
        except HubBusy:
            raise _MigrateError("another migrate is under way") from None
        pending = _pending(hub, registered)
        if not pending:
            _print(f"nothing to apply: {len(registered)} applied before\n")
        for index, was_cut_off in pending:
            _apply(tenant, hub, run_id, registered[index], was_cut_off)


def _begin(tenant: Tenant, registered: Sequence[Migration]) -> Optional[Hub]:
    """The hub, if there is anything to look up in it."""
    if not registered:
        _print("no migrations registered\n")
        return None
    fault = migrations.fault([id for id, _ in registered])
    if fault:
        raise _MigrateError(fault)
    if tenant.hub is None:
        # Without a memory every migration would be applied every time.
        raise _MigrateError(NO_HUB)
    return tenant.hub


def _pending(hub: Hub, registered: Sequence[Migration]) -> List[Tuple[int, bool]]:
    log = migrations.Log()
    for line in hub.lines(MIGRATIONS):
        log.take(line)
    return log.pending([id for id, _ in registered])


def _apply(
    tenant: Tenant, hub: Hub, run_id: str, migration: Migration, was_cut_off: bool
) -> None:
    id, apply = migration

    def record(event: str) -> None:
        version = tenant.manifest.version
        hub.append(MIGRATIONS, migrations.entry(id, event, now_ms(), run_id, version))

    if was_cut_off:
        tenant.say(f"{id} did not finish the last time: it is applied again")
    try:
        record(migrations.STARTED)
    except HubError as error:
        raise _MigrateError(f"{id} is not applied, as it cannot be recorded: {error}") from None
    outcome = _call(apply, tenant.context(False))
    if outcome.message:
        tenant.say(outcome.message)
    if not outcome.is_success:
        try:
            record(migrations.FAILED)
        except HubError as error:
            tenant.say_unrecorded(error)
        raise _MigrateError(f"{id} failed")
    try:
        record(migrations.DONE)
    except HubError as error:
        raise _MigrateError(
            f"{id} is applied and will be again, as it cannot be recorded: {error}"
        ) from None
    _print(f"applied {id}\n")


def _print(text: str) -> None:
    """Writes to standard output, whose encoding may be poorer than the hub's. That nobody reads it
    changes nothing."""
    try:
        sys.stdout.flush()
        sys.stdout.buffer.write(text.encode("utf-8", "replace"))
        sys.stdout.buffer.flush()
    except (OSError, ValueError, AttributeError):
        pass


def _settle_output() -> None:
    """Keeps the interpreter from changing the exit code because nobody reads the output."""
    try:
        sys.stdout.flush()
    except (OSError, ValueError, AttributeError):
        try:
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, sys.stdout.fileno())
            os.close(nowhere)
        except (OSError, ValueError, AttributeError):
            pass
