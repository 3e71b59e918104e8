"""Who may use the API beside the operator: tokens, the proofs that go with them, and pairing."""

from __future__ import annotations

from collections import Counter

from foedus.base.errors import FoedusError, UsageError
from foedus.identity.request_proof import ProvedRequest, is_timely, proof_holds, read_proof
from foedus.node.agents import Agents
from foedus.node.http_nonces import NonceBook
from foedus.node.pairing import Pairings
from foedus.node.store import Store
from foedus.node.tokens import Holder, Tokens

_PROOF_NONCES = "proof_nonces"


class TokenNotBound(UsageError):
    """A device's token came without that device: it was copied or stolen, or the client does not prove its key."""

    code = "token_not_bound"
    http_status = 401
    remedy = "use the token on its own device, with the header `foedus-proof` (docs/terms.md); if it leaked, revoke it"


class StaleProof(UsageError):
    """The proof is not of now."""

    code = "stale_proof"
    http_status = 401
    remedy = "set the clock that is wrong: the device's and the node's may be a minute apart"


class Access:
    """Tokens and pairings of one node. ``counts``: what was refused, and codes that were spent, by code."""

    def __init__(self, store: Store, agents: Agents) -> None:
        self.counts: Counter[str] = Counter()
        self.tokens = Tokens(store)
        self.pairings = Pairings(store, agents, self.counts)
        self._store = store
        self._nonces = NonceBook(store, _PROOF_NONCES)

    async def prove(self, holder: Holder, request: ProvedRequest, header: str) -> None:
        """Let a request pass that the token's device signed, once. The token of a custodial agent needs no proof.

        Raises TokenNotBound, StaleProof, BadHttpSignature (``replayed_nonce``) or TooManyRequests.
        """
        if not holder.bound:
            return
        try:
            await self._check(holder, request, header)
        except FoedusError as error:
            self.counts[error.code] += 1
            raise

    async def _check(self, holder: Holder, request: ProvedRequest, header: str) -> None:
        proof = read_proof(header)
        if proof is None:
            raise TokenNotBound("this token is bound to a device, and the request has no proof of it")
        if not is_timely(proof, self._store.now()):
            raise StaleProof("the request was signed more than a minute before or after now")
        if not proof_holds(proof, holder.device, request):
            raise TokenNotBound("this token is bound to a device, and that device did not sign this request")
        await self._nonces.take(holder.device, proof.nonce)
