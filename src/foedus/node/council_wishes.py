"""With whom this member wishes its council to go on: as its human decided, and as members changed their keys."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from foedus.consensus.board import Board
from foedus.consensus.governing import Renew, consent_bytes
from foedus.consensus.line import Line
from foedus.consensus.membership import MEMBERS_MAX, MEMBERS_MIN, Member, Membership
from foedus.crypto import ed25519
from foedus.node.council_messages import Consent
from foedus.node.council_records import Standing

CONSENTS_MAX = 2 * MEMBERS_MAX
"""Nodes that would take a place, of which half as many can."""


def adds(standing: Standing, line: Line) -> set[bytes]:
    """Return the nodes that the human would add and that have not been members since."""
    return {node for node, epoch in standing.adds if not line.has_been(node, epoch)}


def removes(standing: Standing, line: Line) -> set[bytes]:
    """Return the members that the human would remove and that have been members ever since."""
    return {node for node, epoch in standing.removes if not line.has_been_without(node, epoch)}


def joins(standing: Standing, line: Line, node: bytes) -> bool:
    """Whether the human of ``node``, which is no member, decided that it takes a place: who is put out joins anew."""
    return standing.joins is not None and not line.has_been(node, standing.joins)


class Consents:
    """Who would take a place in the next epoch, by its own signature. In memory: they are shown again."""

    def __init__(self) -> None:
        self._held: dict[bytes, Consent] = {}

    def add(self, membership: Membership, consent: Consent) -> bool:
        """Keep a consent to the epoch after this one, if it holds; return whether it is new."""
        self._held = {node: it for node, it in self._held.items() if it.membership == membership.id}
        node = consent.member.node
        is_full = len(self._held) >= CONSENTS_MAX and node not in self._held
        if consent.membership != membership.id or is_full or self._held.get(node) == consent:
            return False
        if not ed25519.verify(consent.member.ed25519, consent_bytes(membership, consent.member), consent.signature):
            return False
        self._held[node] = consent
        return True

    def of(self, membership: Membership, node: bytes) -> Consent | None:
        """Return a node's consent to the epoch after this one."""
        held = self._held.get(node)
        return held if held is not None and held.membership == membership.id else None


class Wanted(NamedTuple):
    """The members to go on with, sorted, and the consents of those that are new, in that order."""

    members: tuple[Member, ...]
    consents: tuple[bytes, ...]


def wanted(line: Line, standing: Standing, consents: Consents, key_of: Callable[[bytes], bytes | None]) -> Wanted:
    """Return what this member wishes now; the members as they are where that is no change that can be made.

    ``key_of``: a node's Ed25519 key in force. A member with other keys than it votes by is taken over with them: its
    identity shows that it is the same node.
    """
    membership = line.current
    put_out = removes(standing, line)
    chosen = {member.node: member for member in membership.members if member.node not in put_out}
    new: dict[bytes, bytes] = {}
    for node in (*chosen, *adds(standing, line)):
        held = consents.of(membership, node)
        if held is not None and held.member.ed25519 == key_of(node) and held.member not in membership.members:
            chosen[node], new[node] = held.member, held.signature
    members = tuple(chosen[node] for node in sorted(chosen))
    if not MEMBERS_MIN <= len(members) <= MEMBERS_MAX:
        return Wanted(membership.members, ())
    return Wanted(members, tuple(new[member.node] for member in members if member.node in new))


def command_for(machine: Board, membership: Membership, me: int, wish: Wanted) -> Renew | None:
    """Return what member ``me`` has to ask for, None where the council knows its wish."""
    known = machine.wish(me) or membership.members
    return None if known == wish.members or machine.renewal is not None else Renew(*wish)
