"""The lines of ``runs.jsonl``, and what they come to: of each service how it ended last, when it
last did its work, and whether a run has started that has not ended. The history is folded line by
line, so its size does not depend on the file's."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from typing import Any, Dict, Optional, Tuple, Union

from . import verbs

SUCCESS, FAILURE = "success", "failure"

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_TIME = re.compile(
    r"(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?([Zz]|[+-]\d\d:\d\d)", re.ASCII
)


def time_text(ms: int) -> str:
    """A time as every file of the hub has it: RFC 3339, UTC, whole milliseconds."""
    at = _EPOCH + timedelta(milliseconds=ms)
    return f"{at:%Y-%m-%dT%H:%M:%S}.{ms % 1000:03}Z"


def time_ms(text: object) -> int:
    """Milliseconds since 1970 of a time in RFC 3339. Raises ValueError for what is none."""
    match = _TIME.fullmatch(text) if isinstance(text, str) else None
    if match is None:
        raise ValueError("not a time")
    date, time, fraction, zone = match.groups()
    offset = "+00:00" if zone in "Zz" else zone
    at = datetime.fromisoformat(f"{date}T{time}{offset}")
    seconds = (at - _EPOCH) // timedelta(seconds=1)
    return seconds * 1000 + int(((fraction or "") + "000")[:3])


def line_of(value: Dict[str, Any]) -> str:
    """A value as one line of JSON, without its end of line."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


@dataclass(frozen=True)
class Identity:
    """What both lines of a run say of it."""

    run_id: str
    tenant: str
    service: Optional[str]
    verb: str
    version: str
    invocation_id: Optional[str]

    def started(self, at_ms: int) -> str:
        """The line of a run that is about to be called."""
        return line_of({**vars(self), "event": "started", "at": time_text(at_ms)})

    def ended(
        self, at_ms: int, exit_code: int, rows: Optional[int], duration_ms: int
    ) -> str:
        """The line of a run that has returned."""
        return line_of(
            {
                **vars(self),
                "event": "ended",
                "at": time_text(at_ms),
                "outcome": FAILURE if exit_code else SUCCESS,
                "exit_code": exit_code,
                "rows": rows,
                "duration_ms": duration_ms,
            }
        )


@dataclass(frozen=True)
class Started:
    """The start of a run."""

    run_id: str
    at_ms: int


@dataclass(frozen=True)
class Ended:
    """The end of a run."""

    run_id: str
    at_ms: int
    is_success: bool
    exit_code: int
    rows: Optional[int]
    duration_ms: int


@dataclass
class ServiceHistory:
    """What is known of the runs of one service. Dry-runs and migrations are not among them. What
    is ``open`` has started last and has not ended; ``cut_off`` had started before it, and had not
    ended by then."""

    open: Optional[Started] = None
    cut_off: Optional[Started] = None
    last: Optional[Ended] = None
    success: Optional[Ended] = None

    def start(self, started: Started) -> None:
        if self.open and self.open.run_id != started.run_id:
            self.cut_off = self.open
        self.open = started

    def end(self, ended: Ended) -> None:
        if self.open and self.open.run_id == ended.run_id:
            # What was before it is not the last any more.
            self.open = self.cut_off = None
        elif self.cut_off and self.cut_off.run_id == ended.run_id:
            self.cut_off = None
        if ended.is_success:
            self.success = ended
        self.last = ended


@dataclass
class History:
    """What is known of the runs of a tenant, by the service's suffix; None is the primary."""

    services: Dict[Optional[str], ServiceHistory] = field(default_factory=dict)

    def take(self, line: str) -> None:
        """Takes the next line in. What is no line of a run (torn by a crash, or of a later version)
        is passed over."""
        service, event = _read(line)
        if isinstance(event, Started):
            self._service(service).start(event)
        elif isinstance(event, Ended):
            self._service(service).end(event)

    def rests_on(self, line: str) -> bool:
        """Whether what is known rests on this line: without all others, the history is the same."""
        service, event = _read(line)
        known = self.of(service)
        if isinstance(event, Started):
            lines = (known.open, known.cut_off)
        else:
            lines = (known.last, known.success) if event else ()
        return any(line is not None and line.run_id == event.run_id for line in lines)

    def of(self, service: Optional[str]) -> ServiceHistory:
        """What is known of one service."""
        return self.services.get(service) or ServiceHistory()

    def _service(self, service: Optional[str]) -> ServiceHistory:
        return self.services.setdefault(service, ServiceHistory())


def _read(line: str) -> Tuple[Optional[str], Union[Started, Ended, None]]:
    """The service and the event of a line of a run; no event if it is none."""
    try:
        value = json.loads(line)
        if value["verb"] != verbs.RUN:
            return None, None
        service = _text_or_none(value.get("service"))
        _text(value["tenant"]), _text(value["version"])
        if value["event"] == "started":
            return service, Started(_text(value["run_id"]), time_ms(value["at"]))
        return service, _ended(value) if value["event"] == "ended" else None
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError, OverflowError):
        return None, None


def _ended(value: Dict[str, Any]) -> Ended:
    if value["outcome"] not in (SUCCESS, FAILURE):
        raise ValueError("not an outcome")
    return Ended(
        run_id=_text(value["run_id"]),
        at_ms=time_ms(value["at"]),
        is_success=value["outcome"] == SUCCESS,
        exit_code=_number(value["exit_code"], 255),
        rows=None if value.get("rows") is None else _number(value["rows"]),
        duration_ms=_number(value["duration_ms"]),
    )


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError("not a text")
    return value


def _text_or_none(value: object) -> Optional[str]:
    return None if value is None else _text(value)


def _number(value: object, most: int = 2**64 - 1) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= most:
        raise TypeError("not a number")
    return value
