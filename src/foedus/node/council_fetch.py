"""The state with which an epoch begins, fetched by a member that was not there: it is new, or was away."""

from __future__ import annotations

from collections.abc import Callable

from foedus.base.cbor import Malformed, NotCanonical
from foedus.consensus.board import Board, first_ledger
from foedus.consensus.ledger import Ledger
from foedus.consensus.membership import Membership
from foedus.consensus.messages import HaveState, Message, Stable
from foedus.consensus.transfer import Fetch


def ledger_at(certificate: Stable, state: bytes, ended: Membership) -> Ledger[Board] | None:
    """Return the state at the end of an epoch, None where it is not the one that its quorum signed."""
    try:
        found = first_ledger(ended).restored(state)
    except (Malformed, NotCanonical):
        return None
    return found if found.sequence == certificate.sequence and found.root() == certificate.root else None


class StartFetch:
    """Asks one member after the other. ``send``: a member's index and what to ask."""

    def __init__(self, certificate: Stable, size: int, me: int, send: Callable[[int, Message], None]) -> None:
        self._others = [(me + step) % size for step in range(1, size)]
        self._fetch = Fetch(certificate, self._others[0])
        self._turn = 0
        self._seen = -1
        self._send = send

    def ask(self) -> None:
        """Ask for the next part; where none came since the last time, another member."""
        if self._fetch.progress == self._seen:
            self.begin_again()
        self._seen = self._fetch.progress
        self._send(self._fetch.source, self._fetch.wanted())

    def begin_again(self) -> None:
        """Begin at another member: this one gives nothing, or nothing true."""
        self._turn += 1
        self._fetch.begin_at(self._others[self._turn % len(self._others)])

    def take(self, member: int, part: HaveState) -> bytes | None:
        """Take in a part, and ask for the next; return the whole with the last."""
        before = self._fetch.progress
        state = self._fetch.take(member, part)
        if state is None and self._fetch.progress > before:
            self._send(self._fetch.source, self._fetch.wanted())
        return state
