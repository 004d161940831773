"""What the environment tells a tenant's program. A variable that is empty counts as one that is not
set, as a unit's ``Environment=`` cannot unset one."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Mapping, Optional

DRY_RUN = "TESSERA_DRY_RUN"


@dataclass(frozen=True)
class Environment:
    """The environment, read once."""

    hub: Optional[str]
    textfiles: Optional[str]
    manifest: Optional[str]
    service: str
    organisation: Optional[str]
    invocation_id: Optional[str]
    is_dry: bool


def read(variables: Mapping[str, str]) -> Environment:
    """Reads the variables."""
    return Environment(
        hub=variables.get("TESSERA_TELEMETRY_DIR") or _hub_in_state(variables),
        textfiles=variables.get("TESSERA_TEXTFILE_DIR") or None,
        manifest=variables.get("TESSERA_TENANT_MANIFEST") or None,
        service=_text(variables.get("TESSERA_SERVICE")) or "",
        organisation=_text(variables.get("TESSERA_ORG")),
        invocation_id=_text(variables.get("INVOCATION_ID")),
        # Anything but a clear no: whoever writes `true` does not want to write data.
        is_dry=variables.get(DRY_RUN, "") not in ("", "0"),
    )


def _hub_in_state(variables: Mapping[str, str]) -> Optional[str]:
    state = variables.get("XDG_STATE_HOME", "")
    # The specification of XDG has relative paths ignored.
    if not os.path.isabs(state):
        home = variables.get("HOME")
        state = os.path.join(home, ".local/state") if home else ""
    return os.path.join(state, "tessera/telemetry") if state else None


def _text(value: Optional[str]) -> Optional[str]:
    """What is not UTF-8 is replaced, since the hub's files are."""
    return os.fsencode(value).decode("utf-8", "replace") if value else None
