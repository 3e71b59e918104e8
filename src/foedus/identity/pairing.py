"""Pairing: the short code that a person carries to a new device, and what that device signs to prove its key.

A code ``XX-YYYY`` is six letters of an alphabet of 32, so 30 bits. ``XX`` says which of the open codes is meant,
``YYYY`` (20 bits) is the secret: a try at a code is counted against that code, and the fifth wrong one ends it.

How hopeless guessing is: who has seen ``XX`` has five tries at 2^20 secrets, 1 in 209,715 for each code that a person
shows. Who has seen nothing shares WRONG_TRIES_MAX wrong tries in ten minutes with everybody else: 40 * 16 / 2^30, 1 in
1.6 million, against as many codes as may be open; in a year without a pause, against one code that is always open, 1 in
500. And a device that was let in for somebody by a guess still waits for that person, who compares its fingerprint.

The book is pure: time and letters are arguments.
"""

from __future__ import annotations

from collections import deque
from typing import Literal

from msgspec import Struct

from foedus.base.cbor import encode
from foedus.base.clock import Instant
from foedus.base.errors import Unavailable, UsageError
from foedus.base.ids import sha256
from foedus.base.limits import MINUTE
from foedus.crypto.compare import equal
from foedus.crypto.labels import signed_bytes

ALPHABET = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ"
"""Digits and capitals without 0, 1, I and O, which people confuse."""
CODE_LETTERS = 6
CODE_LIFE = 10 * MINUTE
"""Long enough to walk to the other machine, short enough that a forgotten screen is worth nothing."""
TRIES_MAX = 5
"""Wrong tries at one code: a person mistypes once or twice."""
OPEN_CODES_MAX = 16
"""Codes open at one time: as many machines as a team sets up at once. Each more makes blind guessing easier."""
WRONG_TRIES_MAX = 40
"""Wrong tries in WRONG_TRIES_KEPT over all codes and callers: beyond, even the right code is not looked at."""
WRONG_TRIES_PER_NETWORK = 10
"""Of them, from one /24 or /56: one stranger alone does not keep the others from pairing."""
WRONG_TRIES_KEPT = 10 * MINUTE
CHALLENGE_BYTES = 32
_SELECTOR = 2
_LETTER_BITS = 5
_FINGERPRINT_BYTES = 10
_GROUP = 4


class BadCode(UsageError):
    """No open code is this one. Wrong, used, void and expired get one answer."""

    code = "bad_code"
    http_status = 403
    remedy = "compare it with the screen; a code serves once, for ten minutes: `foedus pair start` shows a new one"


class TooManyTries(UsageError):
    """Too many wrong codes came in a short time."""

    code = "too_many_tries"
    http_status = 429
    remedy = "wait ten minutes; `foedus pair start` at the node shows a new code"


class TooManyCodes(Unavailable):
    """As many codes as may be are open."""

    code = "too_many_codes"
    http_status = 429
    remedy = "use one that is shown, or wait until it expires in ten minutes"


class Invitation(Struct, frozen=True, kw_only=True):
    """What a code is for: a further device of ``did``, or ('') a new participant of this ``kind``.

    ``architect``: a new human to whom the node is their own.
    """

    did: str = ""
    kind: Literal["human", "agent"] = "human"
    architect: bool = False


class _Open(Struct):
    letters: str
    invitation: Invitation
    expires: Instant
    wrong: int = 0


class CodeBook:
    """The open codes of one node, and the wrong tries of late."""

    def __init__(self) -> None:
        self._open: dict[str, _Open] = {}
        self._wrong: deque[tuple[Instant, str]] = deque()

    def open(self, entropy: bytes, invitation: Invitation, now: Instant) -> tuple[str, Instant]:
        """Open a code made of ``entropy`` (4 random bytes); return it and when it expires. Raises TooManyCodes.

        A participant has one: a new one voids the former. Where another code has the same first letters, it gets the
        next ones that are free: nobody ends what another shows.
        """
        self._forget(now)
        for selector in [key for key, held in self._open.items() if invitation.did and held.invitation == invitation]:
            del self._open[selector]
        if len(self._open) >= OPEN_CODES_MAX:
            raise TooManyCodes(f"there are {OPEN_CODES_MAX} open codes already")
        number = int.from_bytes(entropy, "big")
        while (letters := _letters(number))[:_SELECTOR] in self._open:
            number += 1
        self._open[letters[:_SELECTOR]] = _Open(letters, invitation, now + CODE_LIFE)
        return shown(letters), now + CODE_LIFE

    def check(self, code: str, network: str, now: Instant) -> Invitation:
        """Return what a code is for; ``use`` ends it. ``network``: whose try it is.

        Raises TooManyTries before anything is looked at, else BadCode; then the try is counted.
        """
        self._forget(now)
        of_network = sum(1 for _, other in self._wrong if other == network)
        if len(self._wrong) >= WRONG_TRIES_MAX or of_network >= WRONG_TRIES_PER_NETWORK:
            raise TooManyTries("too many wrong codes came in the last ten minutes")
        letters = plain(code)
        found = self._open.get(letters[:_SELECTOR])
        if found is not None and equal(found.letters.encode(), letters.encode()):
            return found.invitation
        self._wrong.append((now, network))
        if found is not None:
            found.wrong += 1
            if found.wrong >= TRIES_MAX:
                del self._open[letters[:_SELECTOR]]
        raise BadCode("this code opens nothing")

    def use(self, code: str) -> None:
        """End a code that ``check`` found: it serves once."""
        del self._open[plain(code)[:_SELECTOR]]

    def _forget(self, now: Instant) -> None:
        for selector in [key for key, code in self._open.items() if code.expires <= now]:
            del self._open[selector]
        while self._wrong and self._wrong[0][0] + WRONG_TRIES_KEPT <= now:
            self._wrong.popleft()


def plain(code: str) -> str:
    """Return the six letters of a code as typed; raise UsageError where it cannot be one (that is no try)."""
    letters = "".join(code.split()).replace("-", "").upper()
    if len(letters) != CODE_LETTERS or any(letter not in ALPHABET for letter in letters):
        raise UsageError(
            "a code has six letters or digits, such as K7-2MXW; 0, 1, I and O never occur",
            code="malformed_code",
            remedy="type it as the node shows it",
        )
    return letters


def shown(letters: str) -> str:
    """Return a code as people read it."""
    return f"{letters[:_SELECTOR]}-{letters[_SELECTOR:]}"


def _letters(number: int) -> str:
    """Return the letters of a number, its lowest bits first."""
    return "".join(ALPHABET[number >> (_LETTER_BITS * place) & 31] for place in range(CODE_LETTERS))


class PairingClaim(Struct, frozen=True, kw_only=True):
    """What a new device proves to hold its key for. All bytes have 32, ``code`` its six letters."""

    challenge: bytes
    code: str
    node: bytes
    epoch: bytes
    device: bytes


def claim_bytes(claim: PairingClaim) -> bytes:
    """Return what the new device signs: the challenge, bound to code, node, epoch and its key."""
    return signed_bytes("pairing", encode({name: getattr(claim, name) for name in claim.__struct_fields__}))


def fingerprint(key: bytes) -> str:
    """Return 80 bits of SHA-256 of a key, in groups of four, for people to compare on two screens."""
    text = sha256(key)[:_FINGERPRINT_BYTES].hex()
    return " ".join(text[start : start + _GROUP] for start in range(0, len(text), _GROUP))
