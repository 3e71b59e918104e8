"""A node, its peers and participants, as it tells of them.

Ids are lowercase hex, other bytes unpadded base64url, instants integer microseconds since 1970 UTC.
"""

from __future__ import annotations

from typing import Literal

from msgspec import Struct, field

TierName = Literal["CORE", "SANDBOX", "EXTERNAL", "UNKNOWN"]


class View(Struct, frozen=True, kw_only=True):
    """A value that a surface shows."""


class IdentityView(View, frozen=True):
    """A node, as it may be told to anyone."""

    node: str
    epoch: str
    epoch_number: int
    did: str
    name: str
    version: str
    ed25519: str
    """32-byte public key, hex: what `foedus peer trust` takes."""
    endpoints: list[str]


class Trouble(View, frozen=True):
    """Something that is wrong now, and what mends it."""

    code: str
    message: str
    remedy: str


class EvidenceView(View, frozen=True):
    """What one row of the audit log shows of a node, and how many millionths it takes off now."""

    row: int
    kind: str
    at: int
    times: int
    points: int


class PeerView(View, frozen=True):
    """Another node, as this one sees it."""

    node: str
    name: str
    """As it calls itself: a claim."""
    name_clash: list[str]
    """Ids of known peers whose name a reader may take for this one."""
    state: Literal[
        "requested",
        "answered",
        "incoming",
        "accepting",
        "connected",
        "disconnected",
        "declined",
        "turned_down",
        "ignored",
        "known",
    ]
    tier: TierName
    """What we give."""
    their_tier: TierName | None
    """What they told us that they give."""
    note: str
    url: str
    endpoints: list[str]
    requested_at: int | None
    connected_at: int | None
    last_seen: int | None
    paused: bool
    link: Literal["link", "sse", "pull", "none"]
    link_error: str
    """Why there is no link now ('' where there is one, or none is wanted)."""
    lag: int
    """Events that it may see and has not acknowledged."""
    sent: int
    received: int
    refused: dict[str, int]
    """Counts by reason code."""
    clock_offset_us: int | None
    epoch: str
    epoch_number: int
    held_epoch: str | None
    """A newer epoch that waits for a human (`foedus peer follow ID`)."""
    address: str = ""
    """Where its request came from."""
    did: str = ""
    """The did:key of its epoch, where its identity record is held."""
    known_as: str = ""
    """The name that was given to it here."""
    looks_like: list[str] = []
    """Names given here to others that its claimed name may be taken for."""
    reputation: int = 1_000_000
    """In millionths; 1,000,000 is clean."""
    evidence: list[EvidenceView] = field(default_factory=list)
    """What the reputation follows from; told where one peer is asked for."""


class CouncilStatusView(View, frozen=True):
    """How a council does, as far as this node knows; all about its members is there while it decides here."""

    id: str
    name: str
    state: str
    """As in ``CouncilView``."""
    view: int | None
    leader: str | None
    """The node that leads this view."""
    made: int | None
    lag: int | None
    """By how many places this node is behind, as more members say than may lie."""
    silent: list[str]
    """The nodes that have said nothing in it for ten seconds or more."""


class StatusView(View, frozen=True):
    """How the node does: what is wrong first."""

    troubles: list[Trouble]
    identity: IdentityView
    started_at: int
    uptime_us: int
    home: str
    events: int
    chains: int
    contested_chains: int
    """Chains with two histories of which the owner has chosen none yet."""
    authoring: bool
    pending_requests: int
    peers: list[PeerView]
    memory_bytes: int
    refused: dict[str, int]
    last_local: int
    store_id: str
    forks: int = 0
    """Chains of which two histories were ever seen, also where their owner has chosen since."""
    councils: list[CouncilStatusView] = []


class ProbeView(View, frozen=True):
    """A node at an address, its keys proved by a handshake. Show the whole id before asking it for anything."""

    url: str
    node: str
    did: str
    name: str
    endpoints: list[str]


class NodeNearby(View, frozen=True):
    """A node that somebody on the network says is there. All of it is a claim: ask who is there (``ProbeView``)."""

    node: str
    name: str
    urls: list[str]
    state: str
    """How this node stands with that id: '' where it never dealt with it."""
    known_as: str = ""
    """The name that was given to that id here."""
    looks_like: list[str] = []
    """Names given here to others that the claimed name may be taken for."""


class NearbyView(View, frozen=True):
    """Who is on the network. ``interface``: the IP address where it was asked; ``announced``: whether others see us."""

    interface: str
    announced: bool
    nodes: list[NodeNearby]


class DeviceView(View, frozen=True):
    """A key of a participant."""

    key: str
    name: str
    enrolment: str
    """Event id: what its acts cite."""
    revoked: bool


class ParticipantView(View, frozen=True):
    """An agent or a human at a node."""

    did: str
    name: str
    kind: Literal["human", "agent"]
    custody: Literal["device", "node"]
    node: str
    node_name: str
    is_local: bool
    devices: list[DeviceView]
    known_as: str = ""
    """The name that was given to it here; its own where it is local."""
    node_known_as: str = ""
    looks_like: list[str] = []
    """Names known here, of others, that its claimed name may be taken for."""


class Placed(View, frozen=True):
    """Where an act was ordered. It is durable."""

    id: str
    stream: str
    seq: int
    hlc: list[int]
    approval: str = ""
    """The approval that the act waits for; it is not ordered then, ``id`` is '' and ``seq`` 0."""


class SigningContext(View, frozen=True):
    """What a device needs to sign acts for this node: they bind to its epoch."""

    node: str
    epoch: str
    now: int


class SignedAct(View, frozen=True):
    """An act made and signed on a device. All fields are unpadded base64url of bytes.

    ``act`` is the canonical DAG-CBOR of the act map; ``asig`` the device's signature of {act, epoch, stream}.
    """

    act: str
    asig: str
    salt: str
    body: str


class PruningView(View, frozen=True):
    """What retention dropped."""

    chains: int
    events: int


class VerifyReport(View, frozen=True):
    """The result of checking the whole log from disk again."""

    ok: bool
    events: int
    signatures: int
    bodies: int
    chains: int
    checkpoints: int
    records: int
    problems: list[str]
    """At most 100, in words."""
    seconds: float


class NameView(View, frozen=True):
    """A name given here to the peer or participant of a whole id."""

    id: str
    name: str


class PolicyOptionView(View, frozen=True):
    """An option of the policy in force. ``source``: ``default``, or the file and line that set it."""

    section: str
    option: str
    value: str | int | bool
    source: str
    about: str


class RotationView(View, frozen=True):
    """A new epoch was opened."""

    node: str
    epoch: str
    epoch_number: int
    cause: str
