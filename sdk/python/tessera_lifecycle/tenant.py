"""Who the program is: its manifest, its service, and its place in the hub."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from typing import Iterator, Optional, Sequence

from . import manifest as manifests
from .context import Context, say
from .environment import Environment
from .hub import Hub
from .manifest import Manifest, ManifestError

NO_HUB = "no folder for telemetry: set TESSERA_TELEMETRY_DIR, XDG_STATE_HOME or HOME"


@dataclass(frozen=True)
class Tenant:
    """Who the program is."""

    manifest: Manifest
    service: Optional[str]
    hub: Optional[Hub]
    environment: Environment

    def say(self, text: str) -> None:
        say(self.manifest.name, text)

    def say_unrecorded(self, error: object) -> None:
        """Tells people that something of a run is not in the hub. Its outcome stays what it is."""
        self.say(f"could not be recorded: {error}")

    def context(self, is_dry: bool, arguments: Sequence[str] = ()) -> Context:
        """What a tenant's function is given."""
        return Context(self.manifest, self.service, is_dry, arguments)


def load(environment: Environment, program: str) -> Tenant:
    """Finds out who the program is. Raises ManifestError with what is wrong."""
    path = environment.manifest or _find(program)
    try:
        with open(path, "rb") as file:
            content = file.read()
    except OSError as error:
        raise ManifestError(f"{path}: {error.strerror or error}") from None
    manifest = manifests.parse(path, content)
    try:
        service = manifest.service(environment.service)
    except ManifestError as error:
        raise ManifestError(f"TESSERA_SERVICE: {error}") from None
    hub = Hub(environment.hub, environment.textfiles, manifest.name) if environment.hub else None
    return Tenant(manifest, service, hub, environment)


def now_ms() -> int:
    """What the wall clock shows, in milliseconds since 1970."""
    return time.time_ns() // 1_000_000


def _find(program: str) -> str:
    for folder in _folders(program):
        path = os.path.join(folder, manifests.FILE_NAME)
        if os.path.exists(path):
            return path
    folder = os.path.dirname(os.path.abspath(program))
    raise ManifestError(
        f"there is no {manifests.FILE_NAME} in {folder} or above, nor in the current folder: "
        "set TESSERA_TENANT_MANIFEST"
    )


def _folders(program: str) -> Iterator[str]:
    """The program's folder and those above, by its name and behind links; the current folder."""
    for path in (os.path.abspath(program), os.path.realpath(program)):
        folder = os.path.dirname(path)
        yield folder
        while folder != os.path.dirname(folder):
            folder = os.path.dirname(folder)
            yield folder
    yield os.curdir
