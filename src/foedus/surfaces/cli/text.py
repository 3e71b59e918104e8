"""Foreign text made inert, and values as a person reads them. Pure."""

from __future__ import annotations

import codecs
import unicodedata
from datetime import datetime
from typing import TYPE_CHECKING

from foedus.base.ids import SHORT_HEX
from foedus.base.limits import DAY, HOUR, MINUTE, SECOND

if TYPE_CHECKING:
    from foedus.base.clock import Instant

REPLACEMENT = "\N{REPLACEMENT CHARACTER}"
TICK = "\N{CHECK MARK}"
CROSS = "\N{BALLOT X}"
ARROW = "\N{RIGHTWARDS ARROW}"
DASH = "\N{EN DASH}"

MARKS_MAX = 4
"""Combining marks kept on one letter: no script needs more, and a pile of them overwrites the lines around it."""
ERRORS = "foedus.terminal"
"""Name of the codec error handler that spells symbols in ASCII; ``main`` sets it on the streams."""

_ASCII = {TICK: "ok", CROSS: "x", ARROW: "->", DASH: "-", REPLACEMENT: "?"}
# Control, format (bidi marks, zero width), surrogate, private, unassigned, line and paragraph separators.
_HOSTILE = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
_DID_PREFIX = "did:key:"
_MARKS = frozenset({"Mn", "Me"})
_UNITS = ((DAY, "d"), (HOUR, "h"), (MINUTE, "min"), (SECOND, "s"))


def inert(text: str) -> str:
    """Return ``text`` as one line that a terminal only shows: nothing in it moves, hides, colours or reorders.

    Characters that could are replaced one by one, so that it is seen that something was there.
    """
    if text.isascii() and text.isprintable():
        return text
    shown: list[str] = []
    marks = 0
    for character in text:
        category = unicodedata.category(character)
        marks = marks + 1 if category in _MARKS else 0
        shown.append(REPLACEMENT if category in _HOSTILE or marks > MARKS_MAX else character)
    return "".join(shown)


def paragraphs(text: str) -> list[str]:
    """Return a message's lines, each inert. Only the line feed parts them, and a tab is a space."""
    return [inert(line) for line in text.replace("\r\n", "\n").replace("\t", " ").split("\n")]


def short(hex_id: str) -> str:
    """Return the first digits of an id, for tables: never for a decision."""
    return hex_id[:SHORT_HEX]


def named(known_as: str, claim: str, whole_id: str = "") -> str:
    """Return the name known here; else, in quotes that a claim cannot close, what that one calls itself.

    With ``whole_id`` (hex, or a DID) its first characters stand behind it.
    """
    claimed = claim.replace('"', "'")
    shown = known_as or (f'"{claimed}"' if claimed else "")
    if not whole_id:
        return shown or DASH
    digits = short(whole_id.removeprefix(_DID_PREFIX))
    return f"{shown} ({digits})" if shown else digits


def when(at: Instant | None) -> str:
    """Return local date and time to the second, or a dash; a time that no calendar has is shown as its number."""
    if at is None:
        return DASH
    try:
        return datetime.fromtimestamp(at // SECOND).astimezone().strftime("%Y-%m-%d %H:%M:%S")
    except (OverflowError, OSError, ValueError):
        return f"{at} µs"


def millionths(ratio: int) -> str:
    """Return a ratio in millionths with three digits after the point: 0.950."""
    return f"{ratio // 1_000_000}.{ratio % 1_000_000 // 1_000:03}"


def lasting(duration: int) -> str:
    """Return a duration in microseconds as its largest whole unit: 3 h."""
    for unit, name in _UNITS:
        if duration >= unit:
            return f"{duration // unit} {name}"
    return "0 s"


def _spell(error: UnicodeError) -> tuple[str | bytes, int]:
    """Encode what the stream's encoding lacks: a symbol by its ASCII spelling, another character by its number."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    character = error.object[error.start]
    if character in _ASCII:
        return _ASCII[character], error.start + 1
    return codecs.backslashreplace_errors(
        UnicodeEncodeError(error.encoding, error.object, error.start, error.start + 1, error.reason),
    )


codecs.register_error(ERRORS, _spell)
