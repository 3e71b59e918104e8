"""The program of the child process that holds Yjs documents, and the messages between it and its parent.

A hostile update may end it, keep it counting or fill its memory: then the parent ends it, and nothing else is harmed.
It holds no secret.

A request is a header (operation, u32 document, u32 size) and that many bytes; the answer is a header (status, 0, size)
and bytes: what was asked for, or in UTF-8 why an update was refused. All big-endian. READY is the first answer.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Sequence
from contextlib import suppress
from struct import Struct

from foedus.base.cbor import frame, split_frames
from foedus.state.documents.errors import BadUpdate
from foedus.state.documents.replica import Yjs, merged

HEADER = Struct(">BII")
APPLY, STATE_VECTOR, BEYOND, WHOLE, IS_CHANGED_BY, MERGE, DROP = range(7)
DONE, REFUSED = 0x44, 0x52
READY = HEADER.pack(DONE, 0, 0)
MEMORY_MAX = 4 * 1_073_741_824
"""Addresses that the child may use: some hundred of the largest documents."""
PARTS_MAX = 1 << 20


def pack_updates(updates: Sequence[bytes]) -> bytes:
    """Return several updates as the bytes of one request."""
    return b"".join(map(frame, updates))


class Keeper:
    """The documents of a child."""

    def __init__(self) -> None:
        self._held: dict[int, Yjs] = {}

    def answer(self, operation: int, document: int, data: bytes) -> bytes:
        """Do what was asked; a document is made by its first request. Raises BadUpdate."""
        if operation == MERGE:
            return merged(split_frames(data, PARTS_MAX))
        if operation == DROP:
            self._held.pop(document, None)
            return b""
        replica = self._held.setdefault(document, Yjs())
        return _DOES[operation](replica, data)


def _apply(replica: Yjs, data: bytes) -> bytes:
    replica.apply(data)
    return b""


_DOES: dict[int, Callable[[Yjs, bytes], bytes]] = {
    APPLY: _apply,
    STATE_VECTOR: lambda replica, _: replica.state_vector(),
    BEYOND: lambda replica, data: replica.beyond(data),
    WHOLE: lambda replica, _: replica.whole(),
    IS_CHANGED_BY: lambda replica, data: bytes([replica.is_changed_by(data)]),
}


def serve(connection: socket.socket) -> None:
    """Answer requests until the parent closes the socket, or dies."""
    connection.sendall(READY)
    keeper = Keeper()
    with connection.makefile("rb", buffering=262_144) as requests:
        while len(header := requests.read(HEADER.size)) == HEADER.size:
            operation, document, size = HEADER.unpack(header)
            data = requests.read(size)
            if len(data) != size:
                return
            try:
                status, said = DONE, keeper.answer(operation, document, data)
            except BadUpdate as error:
                status, said = REFUSED, str(error).encode()
            connection.sendall(HEADER.pack(status, 0, len(said)) + said)


def main() -> None:
    """Run as a child: the socket is its standard input."""
    with suppress(ImportError, ValueError, OSError):  # where the system has no such limit the parent's timeout serves
        import resource  # noqa: PLC0415  # not everywhere

        resource.setrlimit(resource.RLIMIT_AS, (MEMORY_MAX, MEMORY_MAX))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with socket.socket(fileno=0) as connection:
        try:
            serve(connection)
        except OSError:
            return  # the parent is gone
        except BaseException:  # noqa: BLE001  # a panic of the library: nothing of what it holds is whole any more
            os._exit(1)
