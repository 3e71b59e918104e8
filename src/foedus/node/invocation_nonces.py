"""Nonces of single-use invocations, remembered over restarts: an invocation serves once until it expires."""

from __future__ import annotations

from collections.abc import Sequence

from foedus.base.limits import SECOND
from foedus.identity.ucan import NonceBook
from foedus.identity.ucan.nonces import ServesOnce, Spent
from foedus.log.port import Value
from foedus.node.store import Store

SPACE = "invocation_nonces"
_SECONDS_BYTES = 8
_DID_BYTES = 56
"""Every did:key of Ed25519 has as many, so issuer and nonce need nothing between them."""
_FORGOTTEN_AT_ONCE = 256
"""Deleted with one new nonce: faster than they come, and a commit stays small."""


class InvocationNonces:
    """What ``identity.ucan.NonceBook`` says, durable. Key: issuer ‖ nonce; value: expiry in seconds."""

    def __init__(self, store: Store) -> None:
        self._store = store
        stored = store.log.values(SPACE)
        self._book = NonceBook({_spent(key): int.from_bytes(value, "big") for key, value in stored.items()})
        self._expired: list[Value] = []
        """What goes with the next that is taken. Where that is not written, it goes after the next start."""

    async def spend(self, invocation: ServesOnce) -> None:
        """Remember a verified invocation, durably, before anything is done for it.

        Raises Replayed, InvalidClaim where it is not made to serve once, TooManyInvocations or Unavailable.
        """
        await self._store.put(*self.take((invocation,)))

    def take(self, invocations: Sequence[ServesOnce]) -> list[Value]:
        """Remember verified invocations, all or none, and return what makes that durable; raises as ``spend``.

        Next: store it before anything is done for them, or ``give_back``.
        """
        now_s = self._store.now() // SECOND
        taken: list[ServesOnce] = []
        self._expired += [Value(SPACE, _key(spent), None) for spent in self._book.forget(now_s, _FORGOTTEN_AT_ONCE)]
        values: list[Value] = []
        try:
            for invocation in invocations:
                spent, expires = self._book.spend(invocation, now_s)
                taken.append(invocation)
                values.append(Value(SPACE, _key(spent), expires.to_bytes(_SECONDS_BYTES, "big")))
        except BaseException:
            self.give_back(taken)
            raise
        values, self._expired = [*self._expired, *values], []
        return values

    def give_back(self, invocations: Sequence[ServesOnce]) -> None:
        """Let invocations serve that were taken: it could not be written that they were, and nothing was done."""
        for invocation in invocations:
            self._book.give_back((invocation.issuer, invocation.nonce))


def _key(spent: Spent) -> bytes:
    issuer, nonce = spent
    return issuer.encode() + nonce


def _spent(key: bytes) -> Spent:
    return key[:_DID_BYTES].decode(), key[_DID_BYTES:]
