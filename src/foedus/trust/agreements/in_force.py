"""The agreement in force with a peer, as the doors and the evaluator ask it. Pure; every answer names its clause."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING

from foedus.identity.ucan.command import covers
from foedus.trust.evaluator import Terms
from foedus.trust.policy import Assurance

if TYPE_CHECKING:
    from collections.abc import Callable

    from foedus.base.clock import Instant
    from foedus.log.streams import Stream
    from foedus.trust.agreements.document import Agreement, Signer

_AGREED: Mapping[str, str] = MappingProxyType(
    {"members": "room", "room": "room", "knowledge": "knowledge", "sketch": "knowledge"}
)
"""Kinds of streams that an agreement lets pass or not, and the direction that they are of."""


class AgreementInForce:
    """The newest version of a line. Questions are about one of its two nodes; '' means that no clause is against it."""

    __slots__ = ("_rooms", "document", "id", "is_ended")

    def __init__(self, agreement_id: bytes, document: Agreement, *, is_ended: bool = False) -> None:
        self.id = agreement_id
        self.document = document
        self.is_ended = is_ended
        """One side has ended the line, and the connection is about to follow."""
        self._rooms = None if document.rooms == "shared" else frozenset(room.hex() for room in document.rooms)

    def refuses(self, node: bytes, stream: Stream, at: Instant) -> str:
        """Return the clause by which ``node`` may not send the other what is in a stream, at an instant."""
        if stream.kind not in _AGREED:
            return ""  # what events are judged by flows as long as there is a connection
        if self.is_ended:
            return "ended"
        return "expires" if self.is_expired(at) else self.allows_stream(node, stream)

    def allows_stream(self, node: bytes, stream: Stream) -> str:
        """Return the clause by which ``node`` may never send a stream: ``rooms``, ``directions.<kind>``."""
        direction = _AGREED.get(stream.kind)
        if direction is None:
            return ""
        if direction == "room" and self._rooms is not None and stream.subject not in self._rooms:
            return "rooms"
        return "" if direction in self.document.directions[self.document.side(node)] else f"directions.{direction}"

    def allows_command(self, node: bytes, command: str) -> str:
        """Return the clause by which agents of ``node`` may not use a command at the other: ``commands``."""
        allowed = self.document.commands[self.document.side(node)]
        return "" if any(covers(it, command) for it in allowed) else "commands"

    def human_signers(self, node: bytes) -> tuple[Signer, ...]:
        """Return who counts as a human signer of ``node``."""
        return self.document.signers_of(node)

    def speaks_for_themselves(self, node: bytes, did: str) -> bool:
        """Tell whether a human enrolled by ``node`` needs no grant: anyone, or only who is named (``humans``)."""
        return self.document.humans == "enrolled" or did in self.document.dids_of(node)

    def approvals_needed(self, command: str) -> int:
        """Return how many human signers have to approve a command: the most that a clause covering it asks, else 1."""
        asked = (n for allowed, n in self.document.approvals.items() if covers(allowed, command))
        return max(asked, default=1)

    def border_terms(self, writer: bytes, counts: Callable[[Assurance], bool] = lambda _assurance: True) -> Terms:
        """Return what the evaluator asks about border acts that ``writer`` orders.

        ``counts``: whether signers of an assurance count at the node that asks.
        """
        signers = frozenset(signer.did for signer in self.human_signers(writer) if counts(Assurance(signer.assurance)))
        refuses = partial(self.allows_command, writer)
        is_named = self.document.humans == "named"
        return Terms(signers, refuses, self.approvals_needed, named_only=is_named)

    def rate(self, node: bytes) -> int | None:
        """Return how many events a minute ``node`` may send; None: as many as it will (``rates``)."""
        return self.document.rates[self.document.side(node)]

    def is_expired(self, now: Instant) -> bool:
        """Tell whether its time is over (``expires``)."""
        return self.document.is_expired(now)
