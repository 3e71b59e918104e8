"""The node itself: who it is, how it does, its keys, its log and its audit."""

from __future__ import annotations

from collections.abc import AsyncGenerator

from foedus.sdk.operation import API, Group, M, Sent, Stream, operation
from foedus.sdk.transport import decode, query_text
from foedus.values.audit import AuditPage, AuditRowView
from foedus.values.node import (
    IdentityView,
    NameView,
    PolicyOptionView,
    PruningView,
    RotationView,
    SigningContext,
    StatusView,
    VerifyReport,
)

LONG_S = 24 * 3600.0
"""Verifying a log of 10^8 events takes hours."""


class Node(Group[M]):
    """The node itself."""

    @operation("GET", "/identity")
    def identity(self) -> Sent[IdentityView]:
        """Return who the node is."""
        return Sent()

    @operation("GET", "/status")
    def status(self) -> Sent[StatusView]:
        """Return how the node does, what is wrong first."""
        return Sent()

    @operation("GET", "/policy")
    def policy(self) -> Sent[list[PolicyOptionView]]:
        """Return every option of the policy in force, and where its value comes from."""
        return Sent()

    @operation("GET", "/signing")
    def signing(self) -> Sent[SigningContext]:
        """Return what a device needs to sign acts for this node."""
        return Sent()

    @operation("GET", "/metrics")
    def metrics(self) -> Sent[str]:
        """Return the counters in Prometheus' text format."""
        return Sent()

    @operation("POST", "/verify")
    def verify(self) -> Sent[VerifyReport]:
        """Check the whole log again, from disk; it may take long."""
        return Sent(timeout_s=LONG_S)

    @operation("POST", "/keys/rotate")
    def rotate_keys(self) -> Sent[RotationView]:
        """Open a new epoch with new keys."""
        return Sent()

    @operation("POST", "/keys/recover")
    def recover_keys(self, words: str) -> Sent[RotationView]:
        """Open a new epoch with the 24 recovery words; it voids what a thief opened."""
        return Sent(body={"words": words})

    @operation("POST", "/retention/run")
    def prune(self, *, days: int | None = None, room: str = "") -> Sent[PruningView]:
        """Drop what is older than its days (without ``days``: the policy's), up to checkpoints that are."""
        return Sent(body={"days": days, "room": room}, timeout_s=LONG_S)

    @operation("POST", "/retention/skip")
    def skip_pruned(self, room: str) -> Sent[PruningView]:
        """Go on without the events of a room that peers no longer have."""
        return Sent(body={"room": room})


class Names(Group[M]):
    """Names that are given here to peers and participants."""

    @operation("GET", "/names")
    def all(self) -> Sent[list[NameView]]:
        """Return the names given here."""
        return Sent()

    @operation("POST", "/names")
    def give(self, id_: str, name: str) -> Sent[NameView]:
        """Give the peer or participant of a whole id a name."""
        return Sent(body={"id": id_, "name": name})

    @operation("DELETE", "/names/{id}")
    def take(self, id_: str) -> Sent[None]:
        """Take a name away."""
        return Sent({"id": id_})


class Audit(Group[M]):
    """The audit log."""

    @operation("GET", "/audit")
    def page(self, *, after: str = "", limit: int = 100, newest: bool = False) -> Sent[AuditPage]:
        """Return rows, oldest first; ``after``: the cursor of the page before. ``newest``: the last ones."""
        return Sent(query={"after": after, "limit": limit, "newest": 1 if newest else None})

    @Stream
    async def follow(self, *, after: str | None = None) -> AsyncGenerator[AuditRowView, None]:
        """Yield rows as they are written, for ever: those after the cursor ``after``, else from now on."""
        async for message in self._client.transport.follow(f"{API}/audit{query_text({})}", after):
            yield decode(message.data, AuditRowView)
