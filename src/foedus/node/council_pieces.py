"""Messages of members that no frame holds, put together from their pieces: one of each member at a time."""

from __future__ import annotations

from foedus.node.council_messages import Piece


class Pieces:
    """What one member sends. ``limit``: bytes of the largest message that it can honestly have."""

    def __init__(self, limit: int) -> None:
        self.dropped = 0
        self._limit = limit
        self._count = 0
        self._held: list[bytes] = []
        self._bytes = 0

    def take(self, piece: Piece) -> bytes | None:
        """Take in the next piece; return the whole message with the last. What does not fit drops all that is held."""
        if piece.index == 0:
            self._forget()
            self._count = piece.count
        is_next = piece.index == len(self._held) and piece.count == self._count
        if not is_next or self._bytes + len(piece.data) > self._limit:
            self.dropped += 1
            self._forget()
            return None
        self._held.append(piece.data)
        self._bytes += len(piece.data)
        if len(self._held) < self._count:
            return None
        whole = b"".join(self._held)
        self._forget()
        return whole

    def _forget(self) -> None:
        self._held, self._bytes, self._count = [], 0, 0
