"""Keeps links with the peers that one is wanted with: dials, waits longer after each failure, dials again."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Protocol

from foedus.base.errors import FoedusError
from foedus.base.limits import SECOND
from foedus.node.link import Link
from foedus.node.waiting import happens
from foedus.sync.backoff import Backoff

_LINKED_PAUSE_S = 5.0
"""How often a loop looks whether its link, dialled by the other side, still stands; a lost one kicks it anyway."""


class Dials(Protocol):
    """What the redialler asks of the links."""

    def get(self, node: bytes) -> Link | None:
        """Return the link with a node."""
        ...

    async def dial(self, url: str, expected: bytes | None) -> Link:
        """Connect to an address and shake hands."""
        ...

    async def serve(self, link: Link) -> None:
        """Run a link until it ends."""
        ...


class Redialler:
    """One loop for each peer that a link is wanted with."""

    def __init__(self, links: Dials) -> None:
        self.errors: dict[bytes, str] = {}
        """Why there is no link, for people; one entry for each peer that is dialled."""
        self.failures: Counter[bytes] = Counter()
        """Dials of a node that failed since its last open link."""
        self._links = links
        self._loops: dict[bytes, asyncio.Task[None]] = {}
        self._kicks: dict[bytes, asyncio.Event] = {}
        self._closed = False

    async def close(self) -> None:
        """Dial nobody any more."""
        self._closed = True
        loops = list(self._loops.values())
        for loop in loops:
            loop.cancel()
        await asyncio.gather(*loops, return_exceptions=True)

    def keep(self, node: bytes, urls: Callable[[], Sequence[str]]) -> None:
        """Dial a node whenever there is no link with it; ``urls`` is asked each time."""
        if node in self._loops or self._closed:
            return
        self._kicks[node] = asyncio.Event()
        task = asyncio.create_task(self._loop(node, urls), name=f"dial-{node.hex()[:8]}")
        self._loops[node] = task
        task.add_done_callback(lambda done: self._ended(node, done))

    def _ended(self, node: bytes, task: asyncio.Task[None]) -> None:
        if self._loops.get(node) is task:
            del self._loops[node]

    def stop(self, node: bytes) -> None:
        """No link with this node is wanted any more."""
        task = self._loops.pop(node, None)
        for held in (self._kicks, self.errors, self.failures):
            held.pop(node, None)
        if task is not None:
            task.cancel()

    def kick(self, node: bytes) -> None:
        """Dial now, not after the pause."""
        kick = self._kicks.get(node)
        if kick is not None:
            kick.set()

    def opened(self, node: bytes) -> None:
        """Forget what went wrong before a link opened."""
        self.errors.pop(node, None)
        self.failures.pop(node, None)

    async def _loop(self, node: bytes, urls: Callable[[], Sequence[str]]) -> None:
        backoff = Backoff()
        while not self._closed and node in self._kicks:
            if self._links.get(node) is not None:
                await self._pause(node, _LINKED_PAUSE_S)
                continue
            link = await self._try(node, urls())
            if link is not None and link.opened_at is not None:
                backoff.reset()
            await self._pause(node, backoff.next(random.random()) / SECOND)  # noqa: S311  # jitter, not a secret

    async def _try(self, node: bytes, urls: Sequence[str]) -> Link | None:
        """Dial the addresses in turn, and serve the first link that comes about until it ends."""
        for url in urls:
            try:
                link = await self._links.dial(url, node)
            except (FoedusError, OSError) as error:
                self.errors[node] = str(error)
                self.failures[node] += 1
                continue
            with contextlib.suppress(FoedusError):  # what ended it stands in ``closing``; the next dial may do better
                await self._links.serve(link)
            self.errors[node] = link.closing.message or link.closing.code if link.closing else ""
            return link
        return None

    async def _pause(self, node: bytes, wait_s: float) -> None:
        kick = self._kicks.get(node)
        if kick is None:
            return
        await happens(kick, wait_s)
        kick.clear()
