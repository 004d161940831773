"""Durations as manifests have them: ``90s``, ``15m``, ``1h30m``, ``PT15M``. A day has 24 hours."""

from __future__ import annotations

import re
from fractions import Fraction

_NAMES = {
    604_800_000: "w wk wks week weeks",
    86_400_000: "d day days",
    3_600_000: "h hr hrs hour hours",
    60_000: "m min mins minute minutes",
    1000: "s sec secs second seconds",
    1: "ms msec msecs milli millis millisecond milliseconds",
}
_UNITS = {name: ms for ms, names in _NAMES.items() for name in names.split()}
_ISO_UNITS = {"W": "w", "D": "d", "H": "h", "M": "m", "S": "s"}
_PART = re.compile(r"(\d{1,15})(\.\d{1,9})?\s*([a-z]+)(?:\s*,\s*|\s*)", re.ASCII)
_ISO = re.compile(r"P((?:\d{1,15}[WD])*)(?:T((?:\d{1,15}(?:\.\d{1,9})?[HMS])+))?", re.IGNORECASE)
_ISO_PART = re.compile(r"(\d+(?:\.\d+)?)([WDHMS])")
_MS_MAX = 100 * 366 * 24 * 3600 * 1000


def milliseconds(text: str) -> int:
    """A duration in whole milliseconds.

    Raises ValueError for what is none, and for what is longer than 100 years.
    """
    ms = _sum(_spelt_out(text.strip()), text)
    if ms > _MS_MAX:
        raise ValueError(f"`{text}` is out of range: a duration is between 0 and 100 years")
    return int(ms)


def _sum(text: str, shown: str) -> Fraction:
    wrong = ValueError(f"`{shown}` is not a duration: write it as 90s, 15m, 1h30m or PT15M")
    total, at, smallest, is_fraction = Fraction(0), 0, None, False
    while at < len(text):
        part = _PART.match(text, at)
        unit = _UNITS.get(part.group(3)) if part else None
        # Units go from large to small, and only the last may have a fraction of an hour or less.
        if not unit or is_fraction or (smallest is not None and unit >= smallest):
            raise wrong
        is_fraction = part.group(2) is not None
        if is_fraction and unit > _UNITS["h"]:
            raise wrong
        total += Fraction(part.group(1) + (part.group(2) or "")) * unit
        at, smallest = part.end(), unit
    if smallest is None or text.endswith(","):
        raise wrong
    return total


def _spelt_out(text: str) -> str:
    iso = _ISO.fullmatch(text)
    if not iso or not (iso.group(1) or iso.group(2)):
        return text
    days = iso.group(1).upper()
    time = (iso.group(2) or "").upper()
    return "".join(number + _ISO_UNITS[unit] for number, unit in _ISO_PART.findall(days + time))
