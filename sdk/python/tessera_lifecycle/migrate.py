"""``migrate``: applies what has not been applied, in order."""

from __future__ import annotations

import contextlib
from typing import List, Optional, Sequence, Tuple

from . import migrations, verbs
from .context import write_output
from .hub import MIGRATIONS, Hub, HubBusy, HubError
from .outcome import FAILED, Outcome, failed
from .recorder import Recorder
from .tenant import NO_HUB, Tenant, now_ms
from .work import Work, call

Migration = Tuple[str, Work]


class _MigrateError(Exception):
    """Why what is to be applied is not."""


def migrate(tenant: Tenant, registered: Sequence[Migration]) -> int:
    """Applies the migrations that have not been applied and gives the exit code."""
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
                write_output(f"would apply {registered[index][0]}\n")
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
            write_output(f"nothing to apply: {len(registered)} applied before\n")
        for index, was_cut_off in pending:
            _apply(tenant, hub, run_id, registered[index], was_cut_off)


def _begin(tenant: Tenant, registered: Sequence[Migration]) -> Optional[Hub]:
    """The hub, if there is anything to look up in it."""
    if not registered:
        write_output("no migrations registered\n")
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
    outcome = call(apply, tenant.context(False))
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
    write_output(f"applied {id}\n")
