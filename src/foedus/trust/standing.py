"""Standing: how far this node lets a participant go, 1 (architect) to 4 (normal). Local, and pure.

The table of rights is read by the evaluator; rising follows the written ``Rule`` and a human's yes, falling needs
evidence and no one's. docs/terms.md has both tables.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum
from types import MappingProxyType
from typing import Literal, NamedTuple

from msgspec import Struct
from msgspec.structs import replace

from foedus.base.clock import Instant
from foedus.base.limits import DAY


class Standing(IntEnum):
    """The less, the more rights."""

    ARCHITECT = 1
    SUPER = 2
    ELEVATED = 3
    NORMAL = 4


Right = Literal["take_part", "contribute", "open", "govern"]

LAST: Mapping[Right, Standing] = MappingProxyType(
    {
        "take_part": Standing.NORMAL,
        "contribute": Standing.ELEVATED,
        "open": Standing.SUPER,
        "govern": Standing.ARCHITECT,
    }
)
"""The last standing that has each right."""

NEEDS: Mapping[str, Right] = MappingProxyType(
    {
        "/foedus/knowledge/publish": "contribute",
        "/foedus/agent/call": "contribute",
        "/foedus/agreement/change": "open",
        "/foedus/council/propose": "open",
    }
)
"""What border commands ask for beyond taking part."""


class Rule(Struct, frozen=True):
    """What earns one step up: so long, and so many accepted acts, since the last step or breach."""

    lasts: Instant = 30 * DAY
    acts: int = 100


class Record(Struct, frozen=True):
    """What a node keeps of a participant. ``since``, ``local``: its clock and last admission number at the last step.

    ``standing`` None: as it started. ``proposed``: waits for a human.
    """

    standing: Standing | None
    since: Instant
    local: int
    proposed: Standing | None = None


class Breach(Struct, frozen=True):
    """Evidence against a node: when it was seen here, and what it is."""

    at: Instant
    local: int
    reason: str


class Progress(NamedTuple):
    """What a participant did since its last step, or the last breach of its node. ``acts`` counts up to the rule's."""

    since: Instant
    acts: int


def may(standing: Standing, right: Right) -> bool:
    """Whether a standing has a right."""
    return standing <= LAST[right]


def right_for(command: str) -> Right:
    """Return the right that a border command asks for."""
    return NEEDS.get(command, "take_part")


def start(*, is_local: bool) -> Standing:
    """Return where a participant starts: of this node, or a foreigner."""
    return Standing.SUPER if is_local else Standing.NORMAL


def standing_of(record: Record | None, breach: Breach | None, *, is_local: bool) -> Standing:
    """Return the standing in force: evidence that is newer than the last step undoes it."""
    if breach is not None and not is_local and (record is None or breach.local >= record.local):
        return Standing.NORMAL
    held = record.standing if record is not None else None
    if held is Standing.ARCHITECT and not is_local:
        return Standing.NORMAL
    return start(is_local=is_local) if held is None else held


def counts_from(record: Record, breach: Breach | None) -> Record:
    """Return the record with the place from which days and acts count: a breach begins them anew."""
    if breach is None or breach.local < record.local:
        return record
    return replace(record, since=breach.at, local=breach.local)


def next_step(standing: Standing) -> Standing | None:
    """Return the step that the rule can earn; nobody becomes architect by it."""
    return Standing(standing - 1) if standing > Standing.SUPER else None


def missing(progress: Progress, rule: Rule, now: Instant) -> tuple[Literal["days", "acts"], ...]:
    """Return what the rule still asks for; () where the step is earned."""
    found: list[Literal["days", "acts"]] = []
    if now - progress.since < rule.lasts:
        found.append("days")
    if progress.acts < rule.acts:
        found.append("acts")
    return tuple(found)


def stepped(record: Record, to: Standing, now: Instant, local: int) -> Record:
    """Return the record after a step, up or down: days and acts count anew."""
    return replace(record, standing=to, since=now, local=local, proposed=None)
