"""What the other members say to this one, until it is read: one inbox each, and the pieces of what no frame holds."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Iterable

from foedus.base.errors import PeerViolation
from foedus.consensus.membership import Membership
from foedus.consensus.messages import Message
from foedus.node.background import Background
from foedus.node.council_attendance import Attendance
from foedus.node.council_inbox import Inbox
from foedus.node.council_messages import Piece, is_message, message_max, read
from foedus.node.council_pieces import Pieces
from foedus.node.council_waking import loop_now

log = logging.getLogger("foedus.councils")


class Hearing:
    """Of one epoch. ``members``: the others, by index; ``refused`` counts what was not taken, by code."""

    def __init__(self, membership: Membership, members: Iterable[int], refused: Counter[str]) -> None:
        self.inboxes = {index: Inbox() for index in members}
        self.attendance = Attendance(loop_now())
        self._refused = refused
        self._pieces = {index: Pieces(message_max(membership)) for index in self.inboxes}
        self._decoding: set[int] = set()
        self._background = Background(log)

    async def close(self) -> None:
        """Read nothing more."""
        await self._background.close()

    def hear(self, member: int, message: Message, size: int) -> None:
        """Take in a message of ``size`` bytes; what does not fit is dropped."""
        now = loop_now()
        self.attendance.heard(member, message, now)
        if member in self.inboxes and not self.inboxes[member].put(message, size, now):
            self._refused["too_much"] += 1

    def hear_piece(self, member: int, piece: Piece) -> None:
        """Take in a piece of a message that no frame holds."""
        if member not in self._pieces or member in self._decoding:
            return
        whole = self._pieces[member].take(piece)
        if whole is not None:
            self._decoding.add(member)
            self._background.spawn(self._hear_large(member, whole))

    async def _hear_large(self, member: int, data: bytes) -> None:
        try:
            said = await asyncio.to_thread(read, data)
        except PeerViolation as error:
            self._refused[error.code] += 1
            return
        finally:
            self._decoding.discard(member)
        if is_message(said):
            self.hear(member, said, len(data))
