"""What node_exporter is told of a tenant: the content of its text file, in the text format of
Prometheus."""

from __future__ import annotations

from typing import Callable, Iterable, Optional, Tuple

from .manifest import Manifest
from .records import History, ServiceHistory

# Each metric of a service, with what it says.
_OF_SERVICES: Tuple[Tuple[str, str, Callable[[ServiceHistory], Optional[str]]], ...] = (
    (
        "last_success_timestamp_seconds",
        "When the last successful run ended, in seconds since 1970.",
        lambda service: service.success and _seconds(service.success.at_ms),
    ),
    (
        "last_run_timestamp_seconds",
        "When the last run ended, in seconds since 1970.",
        lambda service: service.last and _seconds(service.last.at_ms),
    ),
    (
        "last_run_success",
        "Whether the last run that ended did its work.",
        lambda service: service.last and str(int(service.last.is_success)),
    ),
    (
        "last_run_duration_seconds",
        "How long the last run took.",
        lambda service: service.last and _seconds(service.last.duration_ms),
    ),
    (
        "last_run_rows",
        "How many rows the last run wrote, if it told.",
        lambda service: _count(service.last.rows) if service.last else None,
    ),
)


def textfile(manifest: Manifest, history: History) -> str:
    """The content of the text file. The label ``service`` is empty for the primary, and a service
    that the manifest no longer has is left out."""
    declared = sorted(
        (name or "", service)
        for name, service in history.services.items()
        if name is None or name in manifest.services
    )
    text = ""
    for metric, help_text, value_of in _OF_SERVICES:
        values = [(name, value_of(service)) for name, service in declared]
        known = [(name, value) for name, value in values if value is not None]
        text += _family(manifest.name, metric, help_text, known)
    freshness = [("", _seconds(manifest.freshness_ms))]
    return text + _family(
        manifest.name, "freshness_seconds", "How old the last success may be.", freshness
    )


def _family(tenant: str, metric: str, help_text: str, values: Iterable[Tuple[str, str]]) -> str:
    """One metric with all its values; nothing when there are none."""
    metric = f"tessera_tenant_{metric}"
    lines = [f'{metric}{{tenant="{tenant}",service="{name}"}} {value}\n' for name, value in values]
    head = f"# HELP {metric} {help_text}\n# TYPE {metric} gauge\n" if lines else ""
    return head + "".join(lines)


def _seconds(ms: int) -> str:
    ms = max(0, ms)
    return f"{ms // 1000}.{ms % 1000:03}"


def _count(rows: Optional[int]) -> Optional[str]:
    return None if rows is None else str(rows)
