"""Whom this node believes, per kind of claim. Nobody is believed in anything until a person says so."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple, TypeAlias

from foedus.base.errors import NotFound, UsageError
from foedus.identity.credentials.credential import is_type
from foedus.identity.did import key_of

BELIEVED_MAX = 1_024
"""Issuers times kinds: a person keeps some dozens in mind, a company some hundreds."""

SpeaksFor: TypeAlias = Callable[[str, str], bool]
"""(DID of a key, named DID) → whether that key speaks for the named one: itself, or a later device or epoch of it."""


class Belief(NamedTuple):
    """An issuer's DID, and the kind of claim (credential type) in which it is believed."""

    issuer: str
    type: str


class IssuerRegister:
    """The beliefs of one node, in memory."""

    def __init__(self, beliefs: Iterable[Belief] = ()) -> None:
        self._beliefs = set(beliefs)

    def all(self) -> list[Belief]:
        """Return the beliefs, by type and issuer."""
        return sorted(self._beliefs, key=lambda belief: (belief.type, belief.issuer))

    def checked(self, issuer: str, kind: str) -> Belief:
        """Return the belief that may be added; raise BadDid or UsageError where it cannot be one, or there are many."""
        key_of(issuer)
        if not is_type(kind):
            raise UsageError(f"{kind[:80]!r} is no kind of claim", code="bad_type", remedy="a type is such as Employee")
        belief = Belief(issuer, kind)
        if belief not in self._beliefs and len(self._beliefs) >= BELIEVED_MAX:
            raise UsageError(f"{BELIEVED_MAX} beliefs are held", code="too_many_beliefs", remedy="remove some first")
        return belief

    def add(self, belief: Belief) -> None:
        """Believe; again changes nothing."""
        self._beliefs.add(belief)

    def require(self, belief: Belief) -> None:
        """Raise NotFound unless the belief is held."""
        if belief not in self._beliefs:
            raise NotFound(
                f"{belief.issuer} is not believed in {belief.type}",
                code="unknown_belief",
                remedy="see `foedus credential issuers`",
            )

    def remove(self, belief: Belief) -> None:
        """Believe no longer."""
        self._beliefs.discard(belief)

    def believes(self, key_did: str, kinds: Iterable[str], speaks_for: SpeaksFor) -> bool:
        """Tell whether what this key signed is believed in every one of ``kinds``; of no kind nothing is believed."""
        named = list(kinds)
        return bool(named) and all(
            any(kind == belief.type and speaks_for(key_did, belief.issuer) for belief in self._beliefs)
            for kind in named
        )
