"""Events of the log, as pages and as a stream."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from typing import Literal

from foedus.sdk.operation import API, Group, M, Sent, Stream, operation
from foedus.sdk.transport import decode, query_text
from foedus.values.node import Placed, SignedAct
from foedus.values.rooms import EventsPage, EventView


class Events(Group[M]):
    """Events that the node holds, in the order in which they came."""

    @operation("GET", "/events")
    def page(self, *, after: str = "", limit: int = 100, stream: str = "") -> Sent[EventsPage]:
        """Return events after a cursor, of one stream where it is named."""
        return Sent(query={"after": after, "limit": limit, "stream": stream})

    @Stream
    async def follow(
        self, *, after: str | None = None, stream: str = "", opened: Callable[[], None] | None = None
    ) -> AsyncGenerator[EventView, None]:
        """Yield events as they come, for ever: those after the cursor ``after`` first ('' is the beginning).

        Each has the cursor after it. When the connection breaks this opens it again, from the last event on, and
        nothing is missed. Without ``after`` it begins with what comes from now on, also when it breaks before the
        first event: who may miss nothing gives a cursor. Raises UsageError where the stream can never go on: the
        token is void, or the cursor is another log's (410). ``opened`` is called whenever the stream has opened: what
        happens from then on comes.
        """
        target = f"{API}/events{query_text({'stream': stream})}"
        async for message in self._client.transport.follow(target, after, opened):
            yield decode(message.data, EventView)

    @operation("GET", "/events/{event}")
    def show(self, event: str) -> Sent[EventView]:
        """Return one event by its whole id."""
        return Sent({"event": event})

    @operation("POST", "/events/{event}/erase")
    def erase(self, event: str, how: Literal["author", "moderator", "retention"] | SignedAct) -> Sent[Placed]:
        """Erase what an event says: by a reason, where the node keeps its author's key, or by a signed act."""
        return Sent({"event": event}, body=how if isinstance(how, SignedAct) else {"reason": how})
