"""Runs as run events of OpenLineage (https://openlineage.io/spec/2-0-2/OpenLineage.json): what a
job reads and what it makes. Only runs are told; a dry-run makes nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Dict, Optional, Tuple

from .manifest import Manifest
from .records import line_of, time_text

START, COMPLETE, FAIL = "START", "COMPLETE", "FAIL"

_PRODUCER = "urn:tessera:lifecycle"
_SCHEMA_URL = "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent"
_STATISTICS_URL = (
    "https://openlineage.io/spec/facets/1-0-2/OutputStatisticsOutputDatasetFacet.json"
    "#/$defs/OutputStatisticsOutputDatasetFacet"
)
_NAMESPACE_DEFAULT = "default"


@dataclass(frozen=True)
class Job:
    """The job that a service of a tenant is."""

    namespace: str
    name: str
    inputs: Tuple[str, ...]
    output: str

    def line(self, event_type: str, run_id: str, at_ms: int, rows: Optional[int] = None) -> str:
        """The line of ``openlineage.jsonl`` that says what happened to the run ``run_id``."""
        output = self._named(self.output)
        if rows is not None:
            statistics = {"_producer": _PRODUCER, "_schemaURL": _STATISTICS_URL, "rowCount": rows}
            output["outputFacets"] = {"outputStatistics": statistics}
        return line_of(
            {
                "eventType": event_type,
                "eventTime": time_text(at_ms),
                "run": {"runId": run_id},
                "job": self._named(self.name),
                "inputs": [self._named(name) for name in self.inputs],
                "outputs": [output],
                "producer": _PRODUCER,
                "schemaURL": _SCHEMA_URL,
            }
        )

    def _named(self, name: str) -> Dict[str, Any]:
        return {"namespace": self.namespace, "name": name}


def job_of(manifest: Manifest, service: Optional[str], organisation: Optional[str]) -> Job:
    """The job that a service of ``manifest`` is. ``organisation`` is the namespace of a tenant that
    declares none."""
    namespace = manifest.namespace
    if namespace is None:
        namespace = organisation or _NAMESPACE_DEFAULT
    name = f"{manifest.name}.{service}" if service else manifest.name
    return Job(namespace, name, manifest.sources, manifest.schema)
