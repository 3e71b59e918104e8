"""The values in which councils are shown."""

from __future__ import annotations

from typing import Literal

from msgspec import field

from foedus.values.node import View


class CouncilMemberView(View, frozen=True):
    """A member of a council."""

    node: str
    name: str
    """What it calls itself."""
    is_local: bool
    has_joined: bool
    is_connected: bool
    leads: bool
    is_exposed: bool
    """It said two things of one place under its signature."""
    is_silent: bool
    """It has said nothing in this council for ten seconds or more."""
    made: int | None
    """The last place that it made, as it says."""
    known_as: str = ""
    """The name that it has here, or ''."""
    looks_like: list[str] = field(default_factory=list)
    """Names given here to others that its claimed name may be taken for."""


class CouncilWishView(View, frozen=True):
    """What a member wishes: that the council goes on with others."""

    node: str
    adds: list[str]
    removes: list[str]


class CouncilView(View, frozen=True):
    """A council that this node takes part in, or is asked to join."""

    id: str
    name: str
    state: Literal["asked", "waiting", "running", "down", "fetching", "key_changed", "removed"]
    """``asked``: a human here may join; ``waiting``: others have not joined yet; ``down``: the disk failed;
    ``fetching``: its state is on its way here; ``key_changed``: others take this node over with its new keys."""
    members: list[CouncilMemberView]
    quorum: int
    faults: int
    """How many members may be away or lie."""
    view: int | None
    made: int | None
    """The last place at which a batch was made here."""
    lag: int | None
    """By how many places this node is behind, as more members say than may lie."""
    waiting: int | None
    """Updates known here that are not made yet."""
    sealed: int | None
    """The last place whose checkpoint a quorum sealed, as this node holds it; None: its members seal nothing."""
    epoch: int
    """How often the members have changed."""
    adds: list[str]
    """Nodes that this node's human wishes to come and that have not come yet: they have to join."""
    wishes: list[CouncilWishView]
    """What members asked the council for in this epoch; once a quorum asks for the same, the members change."""
    removes: list[str] = field(default_factory=list)
    """Members that this node's human wishes to go and that have not gone."""


class CouncilMotionView(View, frozen=True):
    """What a node would do once its council approves: change a room's members, or an agreement."""

    id: str
    op: str
    """``room``, ``agreement``, ``release`` (the council shall govern something no more); '' where this node knows it
    not."""
    host: str
    """The node that would do it."""
    subject: str
    """The room, or the other node of the agreement; of a release what is governed."""
    kind: str
    """Of a room: ``member.add`` or ``member.remove``."""
    node: str
    participant: str
    role: int | None
    agreement: str
    """The id of the version."""
    approved_by: list[str]
    """The members that approved it; once a quorum did, it is approved, and shown here no more."""


class CouncilDecisionView(View, frozen=True):
    """What came of an update."""

    sequence: int
    position: int
    """Which of the batch at that place: together they name it, for `foedus council proof`."""
    outcome: str
    """``done``, ``value``, ``unequal`` (it was not as expected), ``full``; ``late``, ``repeated``: it was not made."""
    value: str | None
    """base64url: the value before it, or the value that was read."""


class CouncilEntryView(View, frozen=True):
    """One update that the council made."""

    sequence: int
    position: int
    id: str
    author: str
    key: str | None
    """None where this node does not know the command."""
    value: str | None
    """base64url: what the key was set to; None: deleted, or only read."""
    is_read: bool
    outcome: str

    @property
    def cursor(self) -> str:
        """Where to go on after it: its place and its position there."""
        return f"{self.sequence}.{self.position}"


class CouncilProofView(View, frozen=True):
    """A commit proof."""

    proof: str
    """base64url: the file."""


class CouncilProvedView(View, frozen=True):
    """What a commit proof shows, as this node checked it: that the council decided this update, and who signed that."""

    council: str
    name: str
    """The council's, as its founding document has it."""
    epoch: int
    view: int | None
    """None where seals alone were believed: they are of no view."""
    sequence: int
    update: str
    """The id of the update."""
    author: str
    key: str | None
    """None where this node does not know the command."""
    value: str | None
    """base64url: what the key was set to; None: deleted, or only read."""
    is_read: bool
    signers: list[str]
    """The members that signed the decision: a quorum of ``members``, none where seals alone were believed."""
    members: list[str]
    sealed_by: list[str]
    """The members whose seals show the same when Ed25519 has fallen: a quorum, or none."""
