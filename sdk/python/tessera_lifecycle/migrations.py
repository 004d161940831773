"""Which migrations are to be applied: in the order in which they are registered, each once.

The one idea: that a migration begins is on the disk before it does, and that it is done before the
next begins. So after a crash at most one is repeated, and it is known which.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import Dict, List, Optional, Sequence, Tuple

from .records import line_of, time_ms, time_text

STARTED, DONE, FAILED = "started", "done", "failed"
_ID = re.compile(r"[A-Za-z0-9._-]{1,100}")


def entry(migration: str, event: str, at_ms: int, run_id: str, version: str) -> str:
    """One line of ``migrations.jsonl``."""
    return line_of(
        {
            "migration": migration,
            "event": event,
            "at": time_text(at_ms),
            "run_id": run_id,
            "version": version,
        }
    )


@dataclass
class Log:
    """What ``migrations.jsonl`` comes to: what happened to each migration last."""

    standing: Dict[str, str] = field(default_factory=dict)

    def take(self, line: str) -> None:
        """Takes the next line in; what is no line of a migration is passed over."""
        try:
            value = json.loads(line)
            migration, event = value["migration"], value["event"]
            time_ms(value["at"])
            texts = (migration, value["run_id"], value["version"])
        except (ValueError, TypeError, KeyError, RecursionError, OverflowError):
            return
        is_known = event in (STARTED, DONE, FAILED) and all(isinstance(t, str) for t in texts)
        if is_known and self.standing.get(migration) != DONE:
            self.standing[migration] = event

    def pending(self, ids: Sequence[str]) -> List[Tuple[int, bool]]:
        """The migrations of ``ids`` that are to be applied, in order: the place of each, and
        whether it has begun before and nobody knows how it ended."""
        return [
            (index, self.standing.get(id) == STARTED)
            for index, id in enumerate(ids)
            if self.standing.get(id) != DONE
        ]


def fault(ids: Sequence[str]) -> Optional[str]:
    """What is wrong with the ids that a program registers."""
    for id in ids:
        if not isinstance(id, str) or not _ID.fullmatch(id):
            return f"'{id}' is no id of a migration: use at most 100 letters, digits and -_."
    twice = [id for index, id in enumerate(ids) if id in ids[:index]]
    return f"two migrations have the id '{twice[0]}'" if twice else None
