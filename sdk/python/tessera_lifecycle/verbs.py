"""The verbs, and what a command line asks for. The set is closed: nothing that a tenant brings can
add a verb to it or change what one means."""

from __future__ import annotations

from dataclasses import dataclass
from typing import List, Optional, Sequence

RUN, STATUS, DRY_RUN, MIGRATE = "run", "status", "dry-run", "migrate"
HELP = "help"

_HELP = {
    RUN: "do the work once",
    STATUS: "say how the tenant is; with --json for programs",
    DRY_RUN: "do the work without writing anything",
    MIGRATE: "apply the migrations that have not been applied",
}
ALL = tuple(_HELP)


@dataclass(frozen=True)
class Call:
    """What a command line asks for: a verb, or help, or (with ``wrong``) nothing known."""

    verb: Optional[str] = None
    arguments: Sequence[str] = ()
    json: bool = False
    wrong: Optional[str] = None


def read(words: List[str]) -> Call:
    """Reads a command line, without the program's name."""
    if not words:
        return Call(wrong="a verb is missing")
    verb, rest = words[0], words[1:]
    if _is_help(verb):
        return Call(HELP)
    if verb not in ALL:
        return Call(wrong=f"unknown verb '{verb}'")
    if len(rest) == 1 and _is_help(rest[0]):
        return Call(HELP)
    if verb in (RUN, DRY_RUN):
        return Call(verb, tuple(rest))
    wants_json = verb == STATUS and rest[:1] == ["--json"]
    unexpected = rest[1:] if wants_json else rest
    if unexpected:
        return Call(wrong=f"{verb} does not take '{unexpected[0]}'")
    return Call(verb, json=wants_json)


def _is_help(word: str) -> bool:
    return word in ("--help", "-h")


def usage(program: str) -> str:
    """How the program is used: the four verbs and nothing else."""
    verbs = "".join(f"  {verb:<7}  {_HELP[verb]}\n" for verb in ALL)
    return f"usage: {program} VERB\n\n{verbs}"
