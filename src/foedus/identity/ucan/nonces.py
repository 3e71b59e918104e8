"""Nonces of single-use invocations: each serves once, for as long as it could serve again."""

from __future__ import annotations

import heapq
from collections import Counter
from typing import Protocol

from foedus.identity.ucan.errors import InvalidClaim, Replayed, TooManyInvocations

INVOCATION_NONCES_MAX = 100_000
"""Nonces in all: some 20 MB."""
INVOCATION_NONCES_PER_ISSUER_MAX = 10_000
"""Of one issuer, so that none takes the places of the others."""
INVOCATION_LIFE_MAX_S = 24 * 3_600
"""Seconds that a single-use invocation may still live when it comes: its nonce is kept as long."""


class ServesOnce(Protocol):
    """What is spent: an ``Invocation``, or another act that is its own invocation."""

    @property
    def issuer(self) -> str:
        """The did:key of the device that signed."""
        ...

    @property
    def nonce(self) -> bytes:
        """Its random bytes."""
        ...

    @property
    def expires(self) -> int | None:
        """Seconds since 1970 UTC."""
        ...


Spent = tuple[str, bytes]
"""Issuer and nonce."""


class NonceBook:
    """What was spent, and until when it must be remembered. Pure: the caller stores what ``spend`` says, first.

    ``spent``: what an earlier book held, (issuer, nonce) → expiry in seconds since 1970 UTC.
    """

    def __init__(self, spent: dict[Spent, int] | None = None) -> None:
        self._spent: dict[Spent, int] = dict(spent or {})
        self._by_expiry = [(expires, key) for key, expires in self._spent.items()]
        heapq.heapify(self._by_expiry)
        self._by_issuer = Counter(issuer for issuer, _ in self._spent)

    def __len__(self) -> int:
        return len(self._spent)

    @property
    def spent(self) -> dict[Spent, int]:
        """What must outlive a restart: (issuer, nonce) → expiry."""
        return dict(self._spent)

    def spend(self, invocation: ServesOnce, now_s: int) -> tuple[Spent, int]:
        """Remember a verified invocation; return what to store durably, before anything is done for it: key and expiry.

        Raises Replayed where it came before, InvalidClaim where it never expires or lives too long to be
        remembered, TooManyInvocations at the bound. Next: ``forget`` gives the keys that may be deleted.
        """
        expires = invocation.expires
        if expires is None or expires > now_s + INVOCATION_LIFE_MAX_S:
            raise InvalidClaim(f"what serves once expires within {INVOCATION_LIFE_MAX_S} seconds")
        key = (invocation.issuer, invocation.nonce)
        if key in self._spent:
            raise Replayed("the invocation came before")
        if len(self) >= INVOCATION_NONCES_MAX or self._by_issuer[key[0]] >= INVOCATION_NONCES_PER_ISSUER_MAX:
            raise TooManyInvocations("too many invocations wait for their expiry")
        self._spent[key] = expires
        heapq.heappush(self._by_expiry, (expires, key))
        self._by_issuer[key[0]] += 1
        return key, expires

    def give_back(self, key: Spent) -> None:
        """Let serve again what was spent, since storing it failed and nothing was done for it."""
        expires = self._spent.pop(key)
        self._by_expiry.remove((expires, key))
        heapq.heapify(self._by_expiry)
        self._took_out(key[0])

    def forget(self, now_s: int, most: int) -> list[Spent]:
        """Take out at most ``most`` whose time is over, oldest first; the caller deletes them."""
        forgotten: list[Spent] = []
        while self._by_expiry and self._by_expiry[0][0] < now_s and len(forgotten) < most:
            _, key = heapq.heappop(self._by_expiry)
            del self._spent[key]
            forgotten.append(key)
            self._took_out(key[0])
        return forgotten

    def _took_out(self, issuer: str) -> None:
        self._by_issuer[issuer] -= 1
        if not self._by_issuer[issuer]:
            del self._by_issuer[issuer]
