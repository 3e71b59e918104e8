"""What surfaces may ask of a running node about errands: a part of ``api.NodeService``."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from typing import Protocol

from foedus.node.errand_values import ErrandForm, ErrandNews, ErrandView
from foedus.values.calls import CapabilityView


class ErrandService(Protocol):
    """Calls that wait until they can be made. ``did``: whose they must be."""

    async def errand_begin(self, form: ErrandForm) -> ErrandView:
        """Keep an errand and set out; durable when it returns."""
        ...

    def errands(self, did: str) -> list[ErrandView]:
        """Return a participant's, the newest first; all of them for ''."""
        ...

    def errand(self, errand: str, did: str) -> ErrandView:
        """Return one; raise NotFound."""
        ...

    async def errand_cancel(self, errand: str, did: str) -> ErrandView:
        """Ask for one to end; raise NotFound."""
        ...

    async def errand_note(self, errand: str, did: str, note: bytes) -> None:
        """Keep a surface's own words with one, in place of those before."""
        ...

    def errand_follow(self, errand: str, did: str) -> AsyncGenerator[ErrandNews, None]:
        """Yield what is new of one until it is over; raise NotFound."""
        ...

    async def offers_ask(self) -> None:
        """Ask the connected peers what their agents offer. Raises UsageError."""
        ...

    def offers_known(self) -> list[CapabilityView]:
        """Return what agents of connected peers offered when this node last asked."""
        ...

    def notice_check(self, url: str) -> None:
        """Raise UsageError where an agent may not have anything sent to a URL."""
        ...

    async def notice_send(self, url: str, headers: Mapping[str, str], body: bytes) -> int:
        """Send a notice for an agent; return the HTTP status, 0 where there was no answer."""
        ...

    def sign_card(self, data: bytes) -> bytes:
        """Sign the JWS of an agent card by the node's key."""
        ...
