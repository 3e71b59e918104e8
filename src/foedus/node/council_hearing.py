"""What the other members say to this one, until it is read: one inbox each, and the pieces of what no frame holds."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Iterable

from foedus.base.errors import PeerViolation
from foedus.consensus.membership import Membership
from foedus.consensus.messages import Ask, Message, Proposal, Vote
from foedus.node.background import Background
from foedus.node.council_attendance import Attendance
from foedus.node.council_inbox import PER_SECOND, Inbox
from foedus.node.council_messages import Piece, is_message, message_max, read
from foedus.node.council_pieces import Pieces
from foedus.node.council_waking import loop_now

log = logging.getLogger("foedus.councils")

VOTE_BYTES = 256
"""More than a vote has."""
_SMALL_UPDATES = 2
"""With the word of its member these are checked sooner than handed to a thread."""


def is_small(message: Message) -> bool:
    """Whether a message is checked and handled in less time than handing it on takes."""
    return isinstance(message, Vote) or (
        isinstance(message, Ask | Proposal) and len(message.batch.encoded) <= _SMALL_UPDATES
    )


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

    def may_be_taken_now(self, member: int, message: Message) -> bool:
        """Whether nothing of a member waits before a message, and nothing bounds how often it says the like."""
        inbox = self.inboxes.get(member)
        if inbox is None or not inbox.is_awaited or type(message) in PER_SECOND:
            return False
        self.attendance.heard(member, message, loop_now())
        return True

    def put(self, member: int, message: Message, size: int) -> None:
        """Take in a message of ``size`` bytes, to be read in turn; what does not fit is dropped."""
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
            self.put(member, said, len(data))
