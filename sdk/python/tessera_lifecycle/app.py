"""The program of a tenant: reads the command line, and does what its verb says."""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from typing import List, NoReturn, Optional, Sequence

from . import environment as environments
from . import health, verbs
from . import tenant as tenants
from .context import write_error, write_output
from .hub import HubError
from .manifest import ManifestError
from .migrate import Migration, migrate
from .outcome import FAILED, USAGE
from .records import line_of
from .tenant import NO_HUB, Tenant, now_ms
from .work import Work, work


class LifecycleApp:
    """A tenant's program: its work, and the migrations of what it keeps.

    ``run`` is called with a Context. It returns None, Done or an exit code, or raises: Failure for
    a code with words, anything else for 1. ``migrations`` are pairs of an id and a function,
    applied in order, each once for its id; a crash may repeat the one that it interrupted.
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
            write_output(usage)
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
            return migrate(tenant, self._migrations)
        return work(tenant, self._run, call.arguments)


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
    write_output((line_of(status.value) if json else status.text) + "\n")
    return 0 if status.is_well else FAILED


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
