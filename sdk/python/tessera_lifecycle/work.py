"""``run`` and ``dry-run``."""

from __future__ import annotations

import os
import signal
import sys
import traceback
from typing import Callable, Sequence, Union

from . import verbs
from .context import Context, write_error
from .outcome import Done, Failure, Outcome, failed, of_exit, of_failure, of_result
from .recorder import Recorder
from .tenant import Tenant

Work = Callable[[Context], Union[None, Done, int]]


def work(tenant: Tenant, run: Work, arguments: Sequence[str]) -> int:
    """Does the work once and gives its exit code."""
    # `run` in an environment that forbids to write is a dry-run, whatever it is called.
    is_dry = tenant.environment.is_dry
    recorder = Recorder(tenant, verbs.DRY_RUN if is_dry else verbs.RUN)
    context = tenant.context(is_dry, arguments)
    process = os.getpid()
    outcome = _flushed(call(run, context))
    if os.getpid() != process:
        # What the run forked came back here; it is not the run.
        os._exit(outcome.exit_code)
    if outcome.rows is None:
        outcome = Outcome(outcome.exit_code, context.rows_told, outcome.message)
    if outcome.message:
        tenant.say(outcome.message)
    recorder.end(outcome)
    return outcome.exit_code


def call(function: Work, context: Context) -> Outcome:
    """Calls a tenant's function."""
    try:
        return of_result(function(context))
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
