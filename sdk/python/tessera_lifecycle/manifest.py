"""What a program needs of its own manifest. Whether all of it is right is for ``tesseractl tenant
check`` to say; here only what is used is read, so that a program does not refuse to run for what it
does not need."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Dict, List, Optional, Tuple

from . import durations

FILE_NAME = "tessera-tenant.toml"
_NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")


class ManifestError(Exception):
    """Everything that is wrong with what is needed of a manifest, a line for each."""


@dataclass(frozen=True)
class Manifest:
    """What a tenant declares, as far as its program needs it."""

    name: str
    version: str
    schema: str
    sources: Tuple[str, ...]
    freshness: str
    freshness_ms: int
    namespace: Optional[str] = None
    services: Tuple[str, ...] = ()

    def service(self, suffix: str) -> Optional[str]:
        """The service with this suffix; empty, and the answer None, is the primary."""
        if not suffix:
            return None
        if suffix in self.services:
            return suffix
        if not self.services:
            only = f"{self.name} has only its primary"
            raise ManifestError(f"no service is called '{suffix}': {only}")
        known = ", ".join(self.services)
        raise ManifestError(f"no service is called '{suffix}': there are {known}")


def parse(file: str, content: bytes) -> Manifest:
    """Reads a manifest; ``file`` is what messages call it."""
    try:
        text = content.decode("utf-8-sig")
        document = _toml_reader(file).loads(text)
    except ValueError as error:  # Of the encoding as well as of TOML.
        raise ManifestError(f"{file}: {error}") from None
    reading = _Reading(document)
    manifest = reading.manifest()
    if manifest is None:
        raise ManifestError("\n".join(f"{file}: {problem}" for problem in reading.problems))
    return manifest


def _toml_reader(file: str) -> Any:
    try:
        import tomllib
    except ImportError:
        try:
            import tomli as tomllib
        except ImportError:
            raise ManifestError(
                f"{file} cannot be read: use Python 3.11 or later, or install the package tomli"
            ) from None
    return tomllib


class _Reading:
    """One reading of a document, which collects what is wrong."""

    def __init__(self, document: Dict[str, Any]) -> None:
        self.document = document
        self.problems: List[str] = []

    def manifest(self) -> Optional[Manifest]:
        name = self.name("name", self.text("name"))
        freshness = self.text("freshness")
        telemetry = self.table("telemetry")
        services = tuple(sorted(self.table("services")))
        fields = dict(
            name=name,
            version=self.text("version"),
            schema=self.schema(),
            sources=self.texts("sources"),
            freshness=freshness.strip(),
            freshness_ms=self.duration("freshness"),
            namespace=self.optional_text("telemetry.namespace", telemetry.get("namespace")),
            services=tuple(self.name(f"services.{suffix}", suffix) for suffix in services),
        )
        return None if self.problems else Manifest(**fields)

    def wrong(self, path: str, what: str) -> None:
        self.problems.append(f"{path}: {what}")

    def text(self, path: str) -> str:
        if path not in self.document:
            self.wrong(path, "required, and missing")
            return ""
        return self.optional_text(path, self.document[path]) or ""

    def optional_text(self, path: str, value: object) -> Optional[str]:
        if value is None or isinstance(value, str):
            return value
        self.wrong(path, f"a text is expected, not {type(value).__name__}")
        return None

    def texts(self, path: str) -> Tuple[str, ...]:
        value = self.document.get(path)
        if isinstance(value, list) and all(isinstance(entry, str) for entry in value):
            return tuple(value)
        self.wrong(path, "required, a list of texts")
        return ()

    def table(self, path: str) -> Dict[str, Any]:
        value = self.document.get(path, {})
        if isinstance(value, dict):
            return value
        self.wrong(path, f"a table is expected, not {type(value).__name__}")
        return {}

    def name(self, path: str, value: str) -> str:
        if not _NAME.fullmatch(value) and not any(p.startswith(f"{path}: ") for p in self.problems):
            self.wrong(
                path,
                f"`{value}` is not a name: use lower-case letters, digits and `-`, at most 63, "
                "and begin and end with a letter or digit",
            )
        return value

    def schema(self) -> str:
        value = self.document.get("schema")
        name = value.get("name") if isinstance(value, dict) else value
        if not isinstance(name, str):
            self.wrong("schema", "required, the name of the dataset or a table with name")
            return ""
        return name

    def duration(self, path: str) -> int:
        text = self.document.get(path)
        try:
            # What is missing or no text is said already.
            return durations.milliseconds(text) if isinstance(text, str) else 0
        except ValueError as error:
            self.wrong(path, str(error))
            return 0
