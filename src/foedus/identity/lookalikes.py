"""Names that a reader takes for one another: spelt with other scripts, invisible characters, or a slip of one letter.

A name has a few *forms*, in which everything that a hurried eye passes over is equal: skeletons after UTS #39, section
4, then digits that stand for letters, and pairs such as rn that look like one letter. Two names look alike if they
share a form, or if one is a single slip away from the other. This only marks; it identifies nobody.
"""

from __future__ import annotations

import unicodedata
from functools import lru_cache
from typing import NamedTuple

from foedus.identity.confusables import PROTOTYPES

FORMS_CACHED = 4_096
"""Names whose forms are kept: those of peers and participants that a surface shows again and again."""
TYPO_MIN = 5
"""Letters that a name has at least for a slip to count: shorter names differ by one letter and are honest."""
OMISSION_MIN = 7
"""The same where a letter was left out inside the name: Marin is not Martin."""

_INVISIBLE = frozenset({"Cf", "Cc", "Mn", "Me"})
_BLANK = frozenset("\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0")  # letters and symbols that show nothing
_OVERRIDES = frozenset("\u202e\u2067")
_SIGNS = str.maketrans({"|": "l", "!": "l", "$": "s", "@": "a", "\u20ac": "e", "\u00a3": "l", "\u00a5": "y"})
_UPPER_I = str.maketrans("I", "l")
_DIGITS = str.maketrans("012345789", "olzeastbg")
_ONE_IS_I = str.maketrans("1", "i")
_PAIRS = (("rn", "m"), ("nn", "m"), ("vv", "w"), ("uu", "w"), ("cl", "d"), ("ii", "u"))
_NEAR = frozenset(
    frozenset(pair)
    for pair in ("il", "ij", "lj", "lt", "it", "ft", "uv", "vy", "nh", "nr", "mn", "ce", "co", "gq", "gy")
)
"""Letters that are one another but for a stroke, in lower case."""


class Forms(NamedTuple):
    """What is compared. ``skeletons``: equal ones look alike; ``letters``: what slips are looked for in."""

    skeletons: frozenset[str]
    letters: str


def looks_alike(one: str, other: str) -> bool:
    """Tell whether a reader may take two names for one another; a name looks like itself, an empty one like none."""
    a, b = forms_of(one), forms_of(other)
    return not a.skeletons.isdisjoint(b.skeletons) or _is_slip(a.letters, b.letters)


@lru_cache(maxsize=FORMS_CACHED)
def forms_of(name: str) -> Forms:
    """Return the forms of a name; without any visible character it has none."""
    visible = _visible(name)
    letters = _without_gaps(visible.casefold().translate(PROTOTYPES).casefold())
    spellings = {letters, _without_gaps(visible.translate(_UPPER_I).translate(PROTOTYPES).casefold())}
    spellings |= {_without_gaps(visible.translate(PROTOTYPES).translate(_UPPER_I).casefold())}
    if not _OVERRIDES.isdisjoint(name):  # shown from right to left
        spellings |= {spelling[::-1] for spelling in spellings}
    spellings |= {spelling.translate(_ONE_IS_I) for spelling in spellings}
    return Forms(frozenset(_skeleton(spelling) for spelling in spellings if spelling), letters)


def _visible(name: str) -> str:
    """Return what is seen of a name: compatibility forms and accents taken apart, what shows nothing left out."""
    apart = unicodedata.normalize("NFKD", unicodedata.normalize("NFKC", name))
    return "".join(c for c in apart if unicodedata.category(c) not in _INVISIBLE and c not in _BLANK)


def _without_gaps(text: str) -> str:
    """Return the text without spaces and punctuation, save signs that stand for letters; where nothing else is, all."""
    signed = text.translate(_SIGNS)
    kept = "".join(c for c in signed if unicodedata.category(c)[0] not in "ZP")
    return kept or "".join(signed.split())


def _skeleton(letters: str) -> str:
    skeleton = letters.translate(_DIGITS)
    for pair, single in _PAIRS:
        skeleton = skeleton.replace(pair, single)
    return skeleton


def _is_slip(one: str, other: str) -> bool:
    """Tell whether one slip parts two spellings: a near letter, two that changed places, one doubled or left out."""
    if min(len(one), len(other)) < TYPO_MIN - 1 or abs(len(one) - len(other)) > 1 or one == other:
        return False
    start = _common(one, other)
    end = _common(one[start:][::-1], other[start:][::-1])
    left, right = one[start : len(one) - end], other[start : len(other) - end]
    if any(c.isdigit() for c in left + right):  # node-1 and node-2 are honest
        return False
    if len(one) == len(other):
        return _near_or_swapped(left, right, start, len(one))
    return _is_extra(max(one, other, key=len), left or right, start)


def _common(one: str, other: str) -> int:
    """Return how many characters two texts begin with alike."""
    count = 0
    for a, b in zip(one, other, strict=False):
        if a != b:
            break
        count += 1
    return count


def _near_or_swapped(left: str, right: str, start: int, length: int) -> bool:
    if len(left) == 1:
        return frozenset((left, right)) in _NEAR
    return len(left) == 2 and left == right[::-1] and start > 0 and length >= TYPO_MIN  # noqa: PLR2004  # two letters


def _is_extra(longer: str, extra: str, start: int) -> bool:
    """Tell whether one letter more in ``longer`` is easily passed over: a doubled one, or any inside a long name."""
    if len(longer) < TYPO_MIN or len(extra) != 1:
        return False
    doubled = extra in (longer[start - 1 : start], longer[start + 1 : start + 2])
    return doubled or (0 < start < len(longer) - 1 and len(longer) > OMISSION_MIN)
