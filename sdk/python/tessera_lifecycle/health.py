"""How a tenant is: the age of the primary's last success against the freshness that the tenant
declares. A run that failed is said, but as long as the data is fresh it is nobody's emergency."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Dict, Optional

from .manifest import Manifest
from .records import Ended, ServiceHistory, Started, time_text

HEALTHY, STALE, FAILING, UNKNOWN = "healthy", "stale", "failing", "unknown"


@dataclass(frozen=True)
class Status:
    """How a tenant is; ``value`` has the fields of ``status --json`` in order."""

    is_well: bool
    text: str
    value: Dict[str, Any]


def status(manifest: Manifest, history: ServiceHistory, is_running: bool, now_ms: int) -> Status:
    """How the tenant of ``manifest`` is at ``now_ms``, by what its primary service did.
    ``is_running`` is whether the run that has not ended is still alive."""
    cut_off = history.cut_off if is_running else history.open
    running = history.open if history.open and is_running else None
    last, success = history.last, history.success
    age_ms = max(0, now_ms - success.at_ms) if success else None
    health = _health(manifest, age_ms, bool(cut_off or (last and not last.is_success)))
    text = "; ".join(
        part
        for part in (
            _success_words(manifest, age_ms, bool(cut_off or last)),
            _failure_words(cut_off, last, now_ms),
            running and f"a run is under way since {_ago(running.at_ms, now_ms)}",
        )
        if part
    )
    text = f"{manifest.name}: {health}: {text}"
    value = {
        "tenant": manifest.name,
        "version": manifest.version,
        "health": health,
        "freshness_seconds": manifest.freshness_ms // 1000,
        "last_success_at": time_text(success.at_ms) if success else None,
        "last_success_age_seconds": None if age_ms is None else age_ms // 1000,
        "last_run": _last_run(cut_off, last),
        "running_since": time_text(running.at_ms) if running else None,
        "text": text,
    }
    return Status(health in (HEALTHY, FAILING), text, value)


def _health(manifest: Manifest, age_ms: Optional[int], failed: bool) -> str:
    if age_ms is None:
        return UNKNOWN
    if age_ms > manifest.freshness_ms:
        return STALE
    return FAILING if failed else HEALTHY


def _success_words(manifest: Manifest, age_ms: Optional[int], has_run: bool) -> str:
    if age_ms is not None:
        age = coarse(age_ms // 1000)
        return f"the last success was {age} ago and may be {manifest.freshness} old"
    return "never succeeded" if has_run else "never run"


def _failure_words(cut_off: Optional[Started], last: Optional[Ended], now_ms: int) -> Optional[str]:
    if cut_off:
        return f"the last run was cut off, having started {_ago(cut_off.at_ms, now_ms)} ago"
    if last and not last.is_success:
        ago = _ago(last.at_ms, now_ms)
        return f"the last run failed {ago} ago with exit code {last.exit_code}"
    return None


def _last_run(cut_off: Optional[Started], last: Optional[Ended]) -> Optional[Dict[str, Any]]:
    if cut_off:
        started_at = time_text(cut_off.at_ms)
        return {"outcome": "cut-off", "run_id": cut_off.run_id, "started_at": started_at}
    if not last:
        return None
    return {
        "outcome": "success" if last.is_success else "failure",
        "run_id": last.run_id,
        "ended_at": time_text(last.at_ms),
        "exit_code": last.exit_code,
        "rows": last.rows,
        "duration_ms": last.duration_ms,
    }


def _ago(at_ms: int, now_ms: int) -> str:
    return coarse(max(0, now_ms - at_ms) // 1000)


def coarse(seconds: int) -> str:
    """A span of time for people: its largest unit and the one below."""
    units = [(86_400, "d"), (3600, "h"), (60, "m"), (1, "s")]
    while len(units) > 1 and seconds < units[0][0]:
        units.pop(0)
    text = ""
    for size, unit in units[:2]:
        if seconds >= size:
            text += f"{seconds // size}{unit}"
            seconds %= size
    return text or "0s"
