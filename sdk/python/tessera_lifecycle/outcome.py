"""How a run ended, and which exit code says so.

The one idea: an exit code means the same for every tenant. 0 is done, 1 is failed, 2 is a wrong
command line, 125 and up are podman's and the signals'; so a run may choose 3 to 124 only, and
whatever else it gives has failed.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Optional

FAILED = 1
USAGE = 2
_OWN_CODES = range(3, 125)
_ROWS_MAX = 2**64 - 1


def check_rows(rows: Optional[int]) -> Optional[int]:
    """The number of rows, if it can be one."""
    if rows is None:
        return None
    if isinstance(rows, bool) or not isinstance(rows, int):
        # Numbers of data frames' libraries are integers without being an int.
        if not hasattr(rows, "__index__") or isinstance(rows, bool):
            raise TypeError(f"rows is a number, not {type(rows).__name__}")
        rows = rows.__index__()
    if not 0 <= rows <= _ROWS_MAX:
        raise ValueError(f"rows is 0 or more, not {rows}")
    return rows


@dataclass(frozen=True)
class Done:
    """The work is done; ``rows`` is how many rows were written, if that is known."""

    rows: Optional[int] = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "rows", check_rows(self.rows))


class Failure(Exception):
    """The work failed, with an exit code of its own, 3 to 124:
    ``raise Failure(7, "the source is empty")``."""

    def __init__(self, code: int, message: str = "") -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True)
class Outcome:
    """How a run ended; ``message`` is what standard error is told."""

    exit_code: int
    rows: Optional[int] = None
    message: Optional[str] = None

    @property
    def is_success(self) -> bool:
        return self.exit_code == 0


def failed(message: Optional[str] = None) -> Outcome:
    """The outcome of a run that failed without a code."""
    return Outcome(FAILED, message=message)


def of_code(code: int) -> Outcome:
    """The outcome of a run that gave this code."""
    if code in (0, FAILED) or code in _OWN_CODES:
        return Outcome(int(code))
    return failed(
        f"the run gave the exit code {code}, but may only give 0, 1 and 3 to 124: ended with 1"
    )


def of_failure(failure: Failure) -> Outcome:
    """The outcome of a run that raised a failure, which stays one whatever its code says."""
    told = of_code(failure.code)
    parts = [part for part in (str(failure), told.message) if part]
    return replace(told, exit_code=max(told.exit_code, FAILED), message="\n".join(parts) or None)


def of_exit(code: object) -> Outcome:
    """The outcome of a run that called ``sys.exit``."""
    if code is None:
        return Outcome(0)
    return of_code(code) if isinstance(code, int) else failed(str(code))


def of_result(result: object) -> Outcome:
    """The outcome of a run that returned."""
    if result is None:
        return Outcome(0)
    if isinstance(result, Done):
        return Outcome(0, rows=result.rows)
    if isinstance(result, int) and not isinstance(result, bool):
        return of_code(result)
    kind = type(result).__name__
    return failed(f"the run returned {kind}: it may return None, Done or an exit code")
