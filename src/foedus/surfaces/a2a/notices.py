"""Push notices: an address is told whenever a task stands otherwise. Best effort, and again after a restart.

Where that may be is the node's to say: where the agent's own webhook might be.
"""

from __future__ import annotations

import asyncio
import json
import logging
import secrets
from contextlib import aclosing
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from foedus.base.errors import FoedusError, UsageError
from foedus.node.errand_values import ErrandView
from foedus.surfaces.a2a.mapping import task_of

if TYPE_CHECKING:
    from foedus.node.api import NodeService

log = logging.getLogger("foedus.a2a")
TRIES = 5
_FIRST_S = 0.5
PUSH_MAX = 4
"""Addresses that are told of one task, in whatever way they were given."""


class Notices:
    """One per server. What is to be told, and what was, stands with the errand, so a restart forgets neither."""

    def __init__(self, node: NodeService) -> None:
        self._node = node
        self._telling: dict[str, asyncio.Task[None]] = {}
        self._writing = asyncio.Lock()

    def begin(self) -> None:
        """Go on where an earlier run stopped."""
        for view in self._node.errands(""):
            if self.of(view) and _told(view) != _mark(view):
                self._watch(view)

    async def close(self) -> None:
        """Stop; ``begin`` goes on."""
        telling = list(self._telling.values())
        for task in telling:
            task.cancel()
        await asyncio.gather(*telling, return_exceptions=True)

    def of(self, view: ErrandView) -> list[dict[str, Any]]:
        """Return the addresses that are told of an errand, each as a TaskPushNotificationConfig."""
        found: list[dict[str, Any]] = json.loads(view.note).get("push", []) if view.note else []
        return found

    async def add(self, view: ErrandView, wanted: dict[str, Any]) -> dict[str, Any]:
        """Tell an address from now on; return the config as kept, in place of one of its id. Raises UsageError."""
        kept = wanted | {"id": wanted.get("id") or secrets.token_hex(8), "taskId": view.errand}
        async with self._writing:
            held = [one for one in self.of(self._fresh(view)) if one["id"] != kept["id"]]
            if len(held) >= PUSH_MAX:
                raise UsageError(f"a task tells at most {PUSH_MAX} addresses", code="too_many_addresses")
            await self._keep(view, push=[*held, kept])
        self._watch(view)
        return kept

    async def remove(self, view: ErrandView, config: str) -> None:
        """Tell an address no more."""
        async with self._writing:
            await self._keep(view, push=[one for one in self.of(self._fresh(view)) if one["id"] != config])

    def _fresh(self, view: ErrandView) -> ErrandView:
        return self._node.errand(view.errand, view.did)

    async def _keep(self, view: ErrandView, **fields: Any) -> None:
        note = json.loads(self._fresh(view).note) | fields
        await self._node.errand_note(view.errand, view.did, json.dumps(note).encode())

    def _watch(self, view: ErrandView) -> None:
        if view.errand in self._telling:
            return
        task = asyncio.create_task(self._tell_all(view), name="a2a notices")
        self._telling[view.errand] = task
        task.add_done_callback(lambda _: self._telling.pop(view.errand, None))

    async def _tell_all(self, view: ErrandView) -> None:
        try:
            async with aclosing(self._node.errand_follow(view.errand, view.did)) as coming:
                async for one in coming:
                    if not one.number:
                        await self._tell(self._fresh(view))
            await self._tell(self._fresh(view))
        except FoedusError as error:
            log.info("notices end: %s", error.code)

    async def _tell(self, view: ErrandView) -> None:
        """Tell how an errand stands, where that was not told; and remember that it was."""
        if _told(view) == _mark(view):
            return
        body = json.dumps({"task": task_of(view)}).encode()
        sent = [await self._send(one, body) for one in self.of(view)]
        if all(sent):
            async with self._writing:
                await self._keep(view, told=_mark(view))

    async def _send(self, config: dict[str, Any], body: bytes) -> bool:
        """Send one notice; return whether it arrived."""
        headers = {"Content-Type": "application/a2a+json", "User-Agent": "foedus"}
        if token := config.get("token", ""):
            headers["X-A2A-Notification-Token"] = token
        proof = config.get("authentication", {})
        if proof.get("scheme") and proof.get("credentials"):
            headers["Authorization"] = f"{proof['scheme']} {proof['credentials']}"
        for attempt in range(TRIES):
            status = await self._node.notice_send(config["url"], headers, body)
            if HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES:
                return True
            if attempt + 1 < TRIES:
                await asyncio.sleep(_FIRST_S * 2**attempt)
        return False


def _mark(view: ErrandView) -> str:
    return f"{view.state}.{view.outcome}.{view.why}"


def _told(view: ErrandView) -> str:
    told: str = json.loads(view.note).get("told", "") if view.note else ""
    return told
