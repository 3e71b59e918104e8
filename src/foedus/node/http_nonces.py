"""Nonces of signed HTTP requests, remembered over restarts: a request serves once."""

from __future__ import annotations

from collections import Counter

from foedus.base.clock import Instant
from foedus.base.errors import Unavailable
from foedus.base.ids import ID_BYTES
from foedus.base.limits import HTTP_NONCE_KEPT
from foedus.log.port import Value
from foedus.node.store import Store
from foedus.sync.http_signature import NONCES_MAX, BadHttpSignature, VerifiedRequest

SPACE = "http_nonces"
_INSTANT_BYTES = 8
_FORGOTTEN_AT_ONCE = 256
"""Deleted with one new nonce: faster than they come, and a commit stays small."""


PER_EPOCH_MAX = 10_000
"""Of one signer: 80 requests a second, so that no peer takes the places of the others."""


class TooManyRequests(Unavailable):
    """More signed requests in two minutes than nonces are remembered."""

    code = "too_many_requests"
    http_status = 429
    remedy = "ask less often"


class NonceBook:
    """What ``sync.http_signature.NonceWindow`` says, durable. Key: epoch ‖ nonce; value: when it came, µs.

    The proofs of participants' devices have a book of their own, in another space: there a device is the signer.
    """

    def __init__(self, store: Store, space: str = SPACE) -> None:
        self._store = store
        self._space = space
        stored = {key: int.from_bytes(value, "big") for key, value in store.log.values(space).items()}
        self._seen: dict[bytes, Instant] = dict(sorted(stored.items(), key=lambda item: item[1]))
        self._by_epoch = Counter(key[:ID_BYTES] for key in self._seen)

    async def spend(self, verified: VerifiedRequest) -> None:
        """Remember the nonce of a verified request: see ``take``."""
        await self.take(verified.epoch, verified.nonce)

    async def take(self, signer: bytes, nonce: bytes) -> None:
        """Remember a nonce of a signer (32 bytes), durably, before anything is done for it.

        Raises BadHttpSignature where it is known, TooManyRequests or Unavailable.
        """
        now = self._store.now()
        key = signer + nonce
        if key in self._seen:
            raise BadHttpSignature("the request came before", code="replayed_nonce", remedy="sign each request anew")
        forgotten = [Value(self._space, old, None) for old in self._forget(now)]
        if len(self._seen) >= NONCES_MAX or self._by_epoch[signer] >= PER_EPOCH_MAX:
            await self._store.put(*forgotten)
            raise TooManyRequests("too many signed requests in two minutes")
        self._seen[key] = now
        self._by_epoch[signer] += 1
        await self._store.put(Value(self._space, key, now.to_bytes(_INSTANT_BYTES, "big")), *forgotten)

    def _forget(self, now: Instant) -> list[bytes]:
        """Take out what is old, oldest first. After a clock that stepped back some are kept longer, none shorter."""
        old: list[bytes] = []
        for key, at in self._seen.items():
            if now - at <= HTTP_NONCE_KEPT or len(old) == _FORGOTTEN_AT_ONCE:
                break
            old.append(key)
        for key in old:
            del self._seen[key]
            self._by_epoch[key[:ID_BYTES]] -= 1
        return old
