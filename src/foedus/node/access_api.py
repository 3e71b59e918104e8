"""What surfaces may ask of a running node about tokens, pairing and who calls: a part of ``api.NodeService``."""

from __future__ import annotations

import asyncio
from typing import Any, Literal, Protocol

from foedus.node.tokens import Holder
from foedus.values.access import CallerView, PairCodeView, PairingView, PairStep, TokenView
from foedus.values.node import SignedAct


class AccessService(Protocol):
    """Tokens of participants, and the pairing of devices."""

    def holder_of(self, token: bytes) -> Holder | None:
        """Return who holds a participant's token, or None."""
        ...

    async def prove_request(self, holder: Holder, request: tuple[str, str, bytes, str], proof: str) -> None:
        """Check the proof of a request (method, target, body, token); raise where the token's device made none."""
        ...

    def as_participant(self, holder: Holder) -> Any:
        """Return the node as this participant may use it: fewer methods, and each shows and does less."""
        ...

    def watch_token(self, holder: Holder, *, governing: bool = False) -> asyncio.Event:
        """Return an event that is set when the token dies; ``governing``: or its holder is no architect any more."""
        ...

    def unwatch_token(self, holder: Holder, event: asyncio.Event) -> None:
        """Forget that event."""
        ...

    def caller(self) -> CallerView:
        """Return who asks."""
        ...

    def is_architect(self, did: str) -> bool:
        """Whether this node is a participant's own: they may do what the operator may."""
        ...

    def pair_generate(self, who: str, kind: Literal["human", "agent"], *, architect: bool = False) -> PairCodeView:
        """Open a code for a further device of local participant ``who``, or ('') for a new participant.

        ``architect``: the new human is to govern the node.
        """
        ...

    def pair_claim(self, code: str, device: str, name: str, address: str) -> PairStep:
        """Spend a code for a new device's key (hex); what it proves next is in the answer."""
        ...

    async def pair_prove(self, pairing: str, signature: str, possession: str, enrolment: SignedAct | None) -> PairStep:
        """Take the new device's signatures (base64url): it enrols, waits for an enrolled one, or gets its token."""
        ...

    def pairings(self) -> list[PairingView]:
        """Return further devices that wait for an enrolled one to confirm them."""
        ...

    def pair_withdraw(self, pairing: str) -> None:
        """Turn a waiting device away."""
        ...

    async def token_issue(self, who: str, device: str) -> TokenView:
        """Give a device ('': the only one) of a local participant a new token; its former one is void."""
        ...

    async def token_revoke(self, who: str, device: str) -> None:
        """End the token of a device ('': the only one) of a local participant."""
        ...
