"""Processor time of a whole run: every thread of this process, its living children, and those that ended.

Beside other people's work the wall clock says how busy the machine is; this says what the work costs.
"""

from __future__ import annotations

import resource
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from bench.nodes import feed
from foedus.base.limits import FRAME_EVENTS
from foedus.node.composition import Node

_NANOSECONDS = 1e9


def spent_s() -> float:
    """Return the seconds of processor time that this process and its children have spent so far."""
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + sum(map(_of_one, _children("self"))) + ended.ru_utime + ended.ru_stime


def spent_by_s(pid: int) -> float:
    """Return the seconds of processor time that another process and its living children have spent so far."""
    return sum(map(_of_one, [str(pid), *_children(str(pid))]))


def _children(pid: str) -> list[str]:
    return [child for thread in Path(f"/proc/{pid}/task").glob("*/children") for child in _read(thread).split()]


def _of_one(pid: str) -> float:
    """Return what all threads of a process have spent, to the nanosecond; its children's share is not in it."""
    threads = Path(f"/proc/{pid}/task").glob("*/schedstat")
    return sum(int(_read(thread).split()[0]) for thread in threads) / _NANOSECONDS


def _read(path: Path) -> str:
    """Return what the kernel says of a thread; nothing of one that has ended meanwhile."""
    with suppress(OSError):
        return path.read_text(encoding="ascii")
    return "0" if path.name == "schedstat" else ""


async def cost_s(node: Node, batches: Sequence[bytes], carrier: bytes) -> float:
    """Feed batches; return the processor time until their audit rows and receipts are written, too."""
    begun = spent_s()
    accepted = await feed(node, batches, carrier)
    await node.receipts.write()
    await node.audit.flush()
    assert accepted == len(batches) * FRAME_EVENTS, accepted
    return spent_s() - begun
