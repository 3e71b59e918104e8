"""What a node answers while it does not run: who it is, its log, and a change of its keys."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from foedus.adapters.key_files import NODE_KEYS, DamagedKeyFile, KeyFileMissing, keys_from_seeds, write_node_keys
from foedus.node.composition import Node
from foedus.node.home import Home, identity_view
from foedus.node.service import Service
from foedus.node.verify import verify_log
from foedus.values.node import IdentityView, RotationView, VerifyReport
from foedus.values.rooms import EventView

T = TypeVar("T")


def identity(home: Home) -> IdentityView:
    """Return who the node is. Raises NotFound, HomeLocked, or what the log or the keys raise."""

    async def answer(node: Node) -> IdentityView:
        return identity_view(node.store.record, node.store.name, [])

    return _with_node(home, answer)


def log_list(home: Home, stream: str = "", since: str = "", limit: int = 100) -> list[EventView]:
    """Return events after the cursor ``since`` in the order in which the node took them; raises as ``identity``."""

    async def answer(node: Node) -> list[EventView]:
        return Service(node).events(after=since, limit=limit, stream=stream).events

    return _with_node(home, answer)


def verify(home: Home) -> VerifyReport:
    """Check the whole log from disk. Takes no lock and writes no event: the node may run meanwhile."""
    home.require()
    return verify_log(home.database)


def rotate(home: Home) -> RotationView:
    """Open an epoch with new keys; peers hear of it at the next start. Raises as ``identity``."""
    return _with_node(home, lambda node: Service(node).key_rotate(), start=True)


def recover(home: Home, words: str) -> RotationView:
    """Open an epoch by the 24 recovery words, also where the keys are lost or damaged.

    Raises UsageError where the words are not this node's, else as ``identity``.
    """
    home.require()
    with _some_keys(home):
        return _with_node(home, lambda node: Service(node).key_recover(words), start=True)


@contextmanager
def _some_keys(home: Home) -> Iterator[None]:
    """Put fresh keys where the node's cannot be read: a node opens with any, and writes only with its own."""
    file, aside = home.keys / NODE_KEYS, home.keys / f"{NODE_KEYS}.damaged"
    try:
        home.node_keys()
    except (DamagedKeyFile, KeyFileMissing):
        if file.exists():
            file.replace(aside)
        write_node_keys(home.keys, keys_from_seeds(*(secrets.token_bytes(32) for _ in range(3))))
        try:
            yield
        except BaseException:
            file.unlink()
            if aside.exists():
                aside.replace(file)
            raise
    else:
        yield


def _with_node(home: Home, use: Callable[[Node], Awaitable[T]], *, start: bool = False) -> T:
    """Hold the home's lock for one answer; the network is not touched, and without ``start`` nothing is written."""

    async def run() -> T:
        node = Node(home)
        try:
            if start:
                await node.start(network=False)
            return await use(node)
        finally:
            await node.close()

    return asyncio.run(run())
