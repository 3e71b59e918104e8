"""Where one agent's tools do their work: its own client of the node, and what it still has to sign."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from foedus.base.errors import FoedusError
from foedus.base.limits import APPROVAL_WAIT_MAX_S
from foedus.surfaces.mcp.shaping import Shaper
from foedus.values.consent import ApprovalView

if TYPE_CHECKING:
    from foedus.sdk.client import Client

log = logging.getLogger("foedus.mcp")

UNSIGNED_MAX = 32
"""Acts that a person has still to allow and that this agent signs itself then: as many as may wait for a person."""


class Desk:
    """What the tools of one participant work with.

    ``client`` has the participant's token, and so does whatever it asks for as that participant; ``own``: the node's
    id; ``did``: the participant's.
    """

    def __init__(self, client: Client, own: str, did: str) -> None:
        self.client = client
        self.own = own
        self.did = did
        self._unsigned: dict[str, asyncio.Task[None]] = {}

    def shaper(self) -> Shaper:
        """Return what shapes one result."""
        return Shaper(self.own)

    def signs_itself(self) -> bool:
        """Whether the agent has a key of its own: then what a person allowed is still to be signed, here."""
        return self.client.device is not None

    def when_allowed(self, approval: str, do: Callable[[], Awaitable[object]]) -> None:
        """Do something as soon as a person allowed it, while this program runs. Afterwards the same words do it."""
        if approval in self._unsigned or len(self._unsigned) >= UNSIGNED_MAX:
            return
        task = asyncio.create_task(self._when_allowed(approval, do), name="do when allowed")
        self._unsigned[approval] = task
        task.add_done_callback(lambda _: self._unsigned.pop(approval, None))

    async def _when_allowed(self, approval: str, do: Callable[[], Awaitable[object]]) -> None:
        try:
            view = await self.decided(approval, None)
            if view.state == "allowed":
                await do()
        except FoedusError as error:
            log.warning("what was allowed by %s is not done: %s", approval, error.code)

    async def decided(self, approval: str, wait_s: float | None) -> ApprovalView:
        """Return an approval once it is decided, or as it is after ``wait_s`` (None: however long it takes)."""
        loop = asyncio.get_running_loop()
        end = None if wait_s is None else loop.time() + wait_s
        while True:
            left = APPROVAL_WAIT_MAX_S // 2 if end is None else max(0, round(end - loop.time()))
            view = await self.client.approvals.show(approval, wait_s=min(left, APPROVAL_WAIT_MAX_S // 2))
            if view.state != "waiting" or not left:
                return await self._said(view)

    async def _said(self, view: ApprovalView) -> ApprovalView:
        """Return an approval as it is when this agent has said what it was allowed to."""
        saying = self._unsigned.get(view.id)
        if view.state != "allowed" or saying is None or saying is asyncio.current_task():
            return view
        await asyncio.wait({saying})
        return await self.client.approvals.show(view.id)

    async def close(self) -> None:
        """End what waits, and close the connections."""
        for task in list(self._unsigned.values()):
            task.cancel()
        await asyncio.gather(*self._unsigned.values(), return_exceptions=True)
        await self.client.close()
