"""The identity directory: all records that this node holds, and what follows from them.

Every answer is a function of the set of held records (``branches``), so the order of arrival does
not matter. Each record is verified against the one before it when it is added; nothing is kept that
does not link up to a record 0. Looking up an epoch is one dictionary access: ingest does it for each
event.
"""

from __future__ import annotations

from typing import TypeAlias

from msgspec import Struct

from foedus.identity.branches import Link, Standing, judge
from foedus.identity.record import RECORDS_PER_NODE, BadRecord, Cause, SignedRecord, verify_record

IDLE_RECORDS_MAX = 2 * RECORDS_PER_NODE
"""Held of one node, records that change nothing in force are taken up to here: more than any honest history
and one long stolen branch; who stole a key can sign as many as they like."""
HELD_RECORDS_MAX = 4 * RECORDS_PER_NODE
"""Held of one node, records that do change what is in force are taken up to here, so that junk never keeps a
recovery out; only the holder of the recovery keys could come near it."""


class EpochView(Struct, frozen=True):
    """What an epoch says of itself. ``ancestors``: the epochs before it along ``prev``, nearest first."""

    id: bytes
    node: bytes
    n: int
    cause: Cause
    ed25519: bytes
    record: SignedRecord
    ancestors: tuple[bytes, ...]


class Added(Struct, frozen=True):
    """The record is new, holds, and is kept. It need not be in force: ask ``is_void`` and ``newest``."""

    epoch: bytes


class Known(Struct, frozen=True):
    """The record was held before; the proof that came with it this time was not looked at."""

    epoch: bytes


class Missing(Struct, frozen=True):
    """The record before it is not held: nothing was kept. Ask for ``prev``, then add this one again."""

    prev: bytes


class Refused(Struct, frozen=True):
    """The record does not hold, or there is no room for it: nothing was kept."""

    error: BadRecord


AddResult: TypeAlias = Added | Known | Missing | Refused


class TooManyRecords(BadRecord):
    """The node has more branches than anyone should have to remember."""

    code = "too_many_identity_records"
    remedy = "the node's owner settles its branches by a recovery record"


class IdentityDirectory:
    """All held identity records. Not safe to change from two threads at once."""

    def __init__(self) -> None:
        self._epochs: dict[bytes, EpochView] = {}
        self._links: dict[bytes, dict[bytes, Link]] = {}
        self._standings: dict[bytes, Standing] = {}

    def add(self, signed: SignedRecord) -> AddResult:
        """Verify a record against the one before it and keep it. Never raises for what a peer can send.

        How many nodes are held is for the caller to bound.
        """
        if signed.id in self._epochs:
            return Known(signed.id)
        prev = signed.record.prev
        previous = None if prev is None else self._epochs.get(prev)
        if prev is not None and previous is None:
            return Missing(prev)
        try:
            verify_record(signed, None if previous is None else previous.record)
            self._keep(signed, previous)
        except BadRecord as error:
            return Refused(error)
        return Added(signed.id)

    def epoch(self, epoch: bytes) -> EpochView | None:
        """Return the view of a held epoch, honoured or not."""
        return self._epochs.get(epoch)

    def node_of(self, epoch: bytes) -> bytes | None:
        """Return the id of the node whose epoch this is, or None where it is not held."""
        view = self._epochs.get(epoch)
        return None if view is None else view.node

    def cause(self, epoch: bytes) -> Cause | None:
        """Return why the epoch was opened, or None where it is not held."""
        view = self._epochs.get(epoch)
        return None if view is None else view.cause

    def nodes(self) -> tuple[bytes, ...]:
        """Return the ids of all nodes of which records are held."""
        return tuple(self._standings)

    def newest(self, node: bytes) -> SignedRecord | None:
        """Return the record in force; where the node is contested, the last before the branch."""
        standing = self._standings.get(node)
        return None if standing is None else self._epochs[standing.newest].record

    def history(self, node: bytes) -> tuple[SignedRecord, ...]:
        """Return the honoured records, oldest first, up to ``newest``; empty where none is held."""
        standing = self._standings.get(node)
        return () if standing is None else tuple(self._epochs[epoch].record for epoch in standing.path)

    def held(self, node: bytes) -> tuple[SignedRecord, ...]:
        """Return all held records of the node, branches too, each after the one before it."""
        return tuple(self._epochs[epoch].record for epoch in self._links.get(node, ()))

    def is_contested(self, node: bytes) -> bool:
        """Tell whether two successors wait for a recovery to choose: nothing after ``newest`` is followed."""
        standing = self._standings.get(node)
        return standing is not None and standing.contested

    def is_void(self, epoch: bytes) -> bool:
        """Tell whether a recovery voided the branch that the epoch is on. False where it is not held."""
        view = self._epochs.get(epoch)
        return view is not None and epoch in self._standings[view.node].void

    def is_honoured(self, epoch: bytes) -> bool:
        """Tell whether the epoch is on the path that is followed: neither void nor after a contested branch."""
        view = self._epochs.get(epoch)
        return view is not None and self._on_path(view)

    def successors_on_branch(self, epoch: bytes) -> tuple[bytes, ...]:
        """Return the honoured epochs after an honoured epoch, nearest first; empty for any other."""
        view = self._epochs.get(epoch)
        if view is None or not self._on_path(view):
            return ()
        return self._standings[view.node].path[view.n + 1 :]

    def ancestors(self, epoch: bytes) -> tuple[bytes, ...]:
        """Return the epochs before it along ``prev``, honoured or not, nearest first."""
        view = self._epochs.get(epoch)
        return () if view is None else view.ancestors

    def _on_path(self, view: EpochView) -> bool:
        path = self._standings[view.node].path
        return view.n < len(path) and path[view.n] == view.id

    def _keep(self, signed: SignedRecord, previous: EpochView | None) -> None:
        """Judge the node anew with the record, and keep both; raise TooManyRecords and change nothing."""
        node, epoch, record = signed.node, signed.id, signed.record
        links = {**self._links.get(node, {}), epoch: Link(record.prev, record.cause == "recovery")}
        standing = judge(node, links)
        if len(links) > IDLE_RECORDS_MAX and (len(links) > HELD_RECORDS_MAX or self._changes_nothing(node, standing)):
            raise TooManyRecords(f"{len(links) - 1} identity records of this node are held already")
        self._epochs[epoch] = EpochView(
            id=epoch,
            node=node,
            n=record.n,
            cause=record.cause,
            ed25519=record.keys.ed25519,
            record=signed,
            ancestors=() if previous is None else (previous.id, *previous.ancestors),
        )
        self._links[node] = links
        self._standings[node] = standing

    def _changes_nothing(self, node: bytes, standing: Standing) -> bool:
        former = self._standings[node]
        return (former.path, former.contested) == (standing.path, standing.contested)
