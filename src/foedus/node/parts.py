"""What ties a node to the world: lock, log, writer and network. A simulation brings its own."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple, Protocol

from foedus.adapters.document_bases import FileBases
from foedus.adapters.document_keeper import DocumentKeeper
from foedus.adapters.home_lock import HomeLock
from foedus.adapters.sqlite_audit import SqliteAudit
from foedus.adapters.sqlite_blobs import SqliteBlobs
from foedus.adapters.sqlite_knowledge import SqliteKnowledge
from foedus.adapters.sqlite_log import SqliteLog
from foedus.adapters.verifier_processes import VerifierProcesses
from foedus.adapters.websocket_client import WebSocketDialler
from foedus.adapters.writer import GroupWriter
from foedus.base.blobs import BlobStore
from foedus.log.port import EventLog
from foedus.node.checking import Verifiers
from foedus.node.home import Home
from foedus.node.ports import ByteStream
from foedus.node.store import Writer
from foedus.state.documents.base import Bases
from foedus.state.documents.replica import Replicas
from foedus.state.knowledge.port import KnowledgeIndex
from foedus.trust.audit.port import AuditStore


class Lock(Protocol):
    """Keeps a second process from the same home."""

    def release(self) -> None:
        """Let go."""
        ...


class ClosingWriter(Writer, Protocol):
    """The writer of a running node."""

    expects_more: Callable[[], bool]
    """Whether more of a backlog is close behind what waits to be written: the node says so, from any thread."""

    async def close(self) -> None:
        """Write what is queued; later commits raise Unavailable."""
        ...


class Dialler(Protocol):
    """Opens streams to other nodes."""

    async def connect(self, url: str) -> ByteStream:
        """Return a connected stream; raise Unavailable where nobody answers."""
        ...

    async def close(self) -> None:
        """Release what the streams shared."""
        ...


class Parts(NamedTuple):
    """The parts that a node is given; it releases them in ``close``."""

    lock: Lock
    log: EventLog
    dialler: Dialler
    writer: Callable[[EventLog, asyncio.AbstractEventLoop], ClosingWriter]
    verifiers: Verifiers | None = None
    """None: signatures are checked in threads only."""
    audit: Callable[[Path], AuditStore] | None = None
    """Opens the audit log; None: nothing is audited."""
    knowledge: Callable[[Path], KnowledgeIndex] | None = None
    """Opens the index of knowledge; None: it is kept in memory."""
    blobs: Callable[[Path], BlobStore] | None = None
    """Opens the store of blobs; None: they are kept in memory."""
    bases: Callable[[Path], Bases] | None = None
    """Opens the folder of what documents were; None: it is kept in memory."""
    replicas: Replicas | None = None
    """Holds Yjs documents; None: this process does, which hostile updates can end."""


def open_parts(home: Home) -> Parts:
    """Lock a home folder and open its log. Raises NotFound, HomeLocked, or what is wrong with the database."""
    home.require()
    lock = HomeLock(home.path)
    try:
        log = SqliteLog(home.database)
        return Parts(
            lock,
            log,
            WebSocketDialler(),
            GroupWriter,
            VerifierProcesses(),
            SqliteAudit,
            SqliteKnowledge,
            SqliteBlobs,
            FileBases,
            DocumentKeeper(),
        )
    except BaseException:
        lock.release()
        raise
