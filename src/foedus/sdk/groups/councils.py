"""Councils: nodes that decide together although some of them lie."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Sequence

from foedus.base.base64url import to_base64url
from foedus.sdk.operation import API, Group, M, Sent, Stream, operation
from foedus.sdk.transport import decode, fill
from foedus.values.councils import (
    CouncilDecisionView,
    CouncilEntryView,
    CouncilMotionView,
    CouncilProofView,
    CouncilProvedView,
    CouncilView,
)


class Councils(Group[M]):
    """Councils. ``council``: its id, the first 8 digits of it, or its name."""

    @operation("GET", "/councils")
    def all(self) -> Sent[list[CouncilView]]:
        """Return the councils of this node, and those that it is asked to join."""
        return Sent()

    @operation("POST", "/councils")
    def create(self, name: str, peers: Sequence[str], *, seal: bool = False) -> Sent[CouncilView]:
        """Found a council with connected peers, and ask them to join.

        ``seal``: its members seal what it decides by ML-DSA-65, so that it can be shown after Ed25519 has fallen.
        """
        return Sent(body={"name": name, "peers": list(peers), "seal": seal})

    @operation("GET", "/councils/{council}")
    def show(self, council: str) -> Sent[CouncilView]:
        """Return one council."""
        return Sent({"council": council})

    @operation("POST", "/councils/{council}/join")
    def join(self, council: str) -> Sent[CouncilView]:
        """Join a council that this node is asked to join."""
        return Sent({"council": council})

    @operation("POST", "/councils/{council}/members")
    def add(self, council: str, peer: str) -> Sent[CouncilView]:
        """Wish a peer to be a member; it comes once a quorum of the members wishes that and its human joins."""
        return Sent({"council": council}, body={"peer": peer})

    @operation("DELETE", "/councils/{council}/members/{member}")
    def remove(self, council: str, member: str) -> Sent[CouncilView]:
        """Wish a member to go; it does once a quorum of the members wishes that."""
        return Sent({"council": council, "member": member})

    @operation("GET", "/councils/{council}/motions")
    def motions(self, council: str) -> Sent[list[CouncilMotionView]]:
        """Return what nodes would do once a quorum of the members approves it."""
        return Sent({"council": council})

    @operation("POST", "/councils/{council}/motions/{motion}/approve")
    def approve(self, council: str, motion: str) -> Sent[CouncilView]:
        """Approve a motion in the node's name."""
        return Sent({"council": council, "motion": motion})

    @operation("POST", "/councils/{council}/governed")
    def govern(self, council: str, *, room: str = "", peer: str = "", release: bool = False) -> Sent[CouncilView]:
        """Change a room's members, or the agreement with a peer, only once the council approved it."""
        return Sent({"council": council}, body={"room": room, "peer": peer, "release": release})

    @operation("POST", "/councils/{council}/updates")
    def put(
        self,
        council: str,
        key: str,
        value: bytes | None,
        *,
        if_value: Sequence[bytes | None] | None = None,
        as_: str = "",
    ) -> Sent[CouncilDecisionView]:
        """Set a key (None deletes it) and wait for the decision. ``if_value``: a list of the one value it must have.

        ``as_``: an agent of the node in whose name; a person's grant must carry it.
        """
        expected = None if if_value is None else [_text(it) for it in if_value]
        body = {"key": key, "value": _text(value), "if_value": expected, "as": as_}
        return Sent({"council": council}, body=body)

    @operation("POST", "/councils/{council}/updates:signed")
    def submit(self, council: str, updates: Sequence[bytes]) -> Sent[list[CouncilDecisionView]]:
        """Ask for updates as their authors signed them (canonical bytes), all or none; wait for all decisions."""
        return Sent({"council": council}, body={"updates": [to_base64url(it) for it in updates]})

    @operation("GET", "/councils/{council}/updates")
    def log(self, council: str, *, after: int = 0, limit: int = 100) -> Sent[list[CouncilEntryView]]:
        """Return what was made at the ``limit`` places after ``after``."""
        return Sent({"council": council}, {"after": after, "limit": limit})

    @Stream
    async def follow(
        self, council: str, *, after: str | None = None, opened: Callable[[], None] | None = None
    ) -> AsyncGenerator[CouncilEntryView, None]:
        """Yield updates as the council makes them, for ever: those after the cursor ``after`` first ('' is the oldest).

        A cursor is that of an update, or a place. When the connection breaks this opens it again, as ``events.follow``
        does. What the node was given as a state while it was away it never made, so it is not among them. Raises
        UsageError where the stream can never go on, as where the node no longer holds what comes after ``after`` (410).
        """
        target = fill(f"{API}/councils/{{council}}/events", {"council": council})
        async for message in self._client.transport.follow(target, after, opened):
            yield decode(message.data, CouncilEntryView)

    @operation("GET", "/councils/{council}/values")
    def get(self, council: str, key: str, *, held: bool = False) -> Sent[CouncilDecisionView]:
        """Read a key in the order of all updates. ``held``: at once what the node holds, perhaps behind."""
        return Sent({"council": council}, {"key": key, "held": 1 if held else None})

    @operation("GET", "/councils/{council}/proof")
    def proof(self, council: str, sequence: int, *, position: int = 0) -> Sent[CouncilProofView]:
        """Return the proof of one update; ``foedus.consensus.verify_commit_proof`` checks it."""
        return Sent({"council": council}, {"sequence": sequence, "position": position})

    @operation("POST", "/councils:verify")
    def verify(self, proof: bytes, *, council: str = "", seals_only: bool = False) -> Sent[CouncilProvedView]:
        """Let the node check a commit proof. ``council``: the whole id of the council that it must be of.

        ``seals_only``: believe its members' seals, and no Ed25519 signature at all.
        """
        return Sent(body={"proof": to_base64url(proof), "council": council, "seals_only": seals_only})


def _text(value: bytes | None) -> str | None:
    return None if value is None else to_base64url(value)
