"""Records a run: before it is called, and once it has returned.

The one idea: the work is what counts. What cannot be recorded is said on standard error, and
changes neither the run nor its exit code.
"""

from __future__ import annotations

import contextlib
import time
import uuid
from typing import Callable, Optional, Set

from . import openlineage, verbs
from .hub import OPENLINEAGE, RUNS, Hub, HubError
from .openlineage import COMPLETE, FAIL, START
from .outcome import Outcome
from .records import Identity
from .tenant import NO_HUB, Tenant, now_ms


class Recorder:
    """Records that a run starts, and by ``end`` that it has ended."""

    def __init__(self, tenant: Tenant, verb: str) -> None:
        self._tenant = tenant
        self._is_run = verb == verbs.RUN
        self._held = contextlib.ExitStack()
        self.run_id = str(uuid.uuid4())
        manifest, environment = tenant.manifest, tenant.environment
        self._identity = Identity(
            run_id=self.run_id,
            tenant=manifest.name,
            service=tenant.service,
            verb=verb,
            version=manifest.version,
            invocation_id=environment.invocation_id,
        )
        self._job = openlineage.job_of(manifest, tenant.service, environment.organisation)
        # What people were told already; a full disk fails again and again.
        self._told: Set[str] = set()
        if tenant.hub is None:
            self._say_unrecorded(NO_HUB)
        if self._is_run:
            # A run that was killed can so be told from one that goes on.
            self._attempt(lambda hub: self._held.enter_context(hub.hold_run(tenant.service)))
        at_ms = now_ms()
        self._attempt(lambda hub: hub.append(RUNS, self._identity.started(at_ms)))
        self._lineage(START, at_ms)
        self._began = time.monotonic_ns()

    def end(self, outcome: Outcome) -> None:
        """Records that the run has ended."""
        duration_ms = (time.monotonic_ns() - self._began) // 1_000_000
        at_ms = now_ms()
        line = self._identity.ended(at_ms, outcome.exit_code, outcome.rows, duration_ms)
        self._attempt(lambda hub: hub.append(RUNS, line))
        if self._is_run:
            self._attempt(lambda hub: hub.refresh_textfile(self._tenant.manifest))
        if outcome.is_success:
            self._lineage(COMPLETE, at_ms, outcome.rows)
        else:
            self._lineage(FAIL, at_ms)
        self._held.close()

    def _lineage(self, event_type: str, at_ms: int, rows: Optional[int] = None) -> None:
        if self._is_run:
            line = self._job.line(event_type, self.run_id, at_ms, rows)
            self._attempt(lambda hub: hub.append(OPENLINEAGE, line))

    def _attempt(self, write: Callable[[Hub], object]) -> None:
        if self._tenant.hub is None:
            return
        try:
            write(self._tenant.hub)
        except HubError as error:
            self._say_unrecorded(str(error))

    def _say_unrecorded(self, why: str) -> None:
        if why not in self._told:
            self._told.add(why)
            self._tenant.say_unrecorded(why)
