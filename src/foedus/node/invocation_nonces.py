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

    async def spend(self, invocation: ServesOnce, also: Sequence[Value] = ()) -> None:
        """Remember a verified invocation, durably, before anything is done for it; ``also``: in the same transaction.

        Raises Replayed, InvalidClaim where it is not made to serve once, TooManyInvocations or Unavailable.
        """
        now_s = self._store.now() // SECOND
        values = [Value(SPACE, _key(spent), None) for spent in self._book.forget(now_s, _FORGOTTEN_AT_ONCE)]
        values += also
        try:
            spent, expires = self._book.spend(invocation, now_s)
            values.append(Value(SPACE, _key(spent), expires.to_bytes(_SECONDS_BYTES, "big")))
        finally:
            if values:
                await self._store.put(*values)


def _key(spent: Spent) -> bytes:
    issuer, nonce = spent
    return issuer.encode() + nonce


def _spent(key: bytes) -> Spent:
    return key[:_DID_BYTES].decode(), key[_DID_BYTES:]
