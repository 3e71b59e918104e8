"""The values that a running node answers with: what surfaces and programs see.

Ids are lowercase hex, other bytes unpadded base64url, instants integer microseconds since 1970 UTC.
"""

from __future__ import annotations

from typing import Any, Literal

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


class ProbeView(View, frozen=True):
    """A node at an address, its keys proved by a handshake. Show the whole id before asking it for anything."""

    url: str
    node: str
    did: str
    name: str
    endpoints: list[str]


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


class MemberView(View, frozen=True):
    """A membership in force. ``participant`` '' means everyone at the node. ``id``: what acts cite."""

    id: str
    node: str
    node_name: str
    participant: str
    participant_name: str
    node_known_as: str = ""
    participant_known_as: str = ""
    role: int = 400
    role_name: str = "member"


class RoomView(View, frozen=True):
    """A room that this node is in."""

    room: str
    name: str
    host: str
    host_name: str
    is_host: bool
    members: list[MemberView]
    left: bool
    host_known_as: str = ""


class ErasedView(View, frozen=True):
    """Why a body is gone: the erase event ``event``, whose it is, when and for what reason."""

    event: str
    by: str
    """did:key, or the node id where the node itself erased."""
    by_name: str
    node: str
    at: int
    reason: Literal["author", "moderator", "retention"]


class MessageView(View, frozen=True):
    """What someone said in a room, and how far that is proved."""

    id: str
    room: str
    stream: str
    seq: int
    hlc: list[int]
    at: int
    text: str | None
    """None: the body is missing or erased, or the message does not stand here."""
    author: str
    """did:key, or the node id where the node itself speaks."""
    author_name: str
    author_kind: Literal["human", "agent", "node", "unknown"]
    node: str
    node_name: str
    verified: bool
    why_not: str
    """'' where verified, else the verdict and its reason."""
    refs: list[str]
    cursor: str
    author_known_as: str = ""
    """The name known here; '' where there is only what the author claims."""
    node_known_as: str = ""
    author_looks_like: list[str] = []
    """Names known here, of others, that the author's claimed name may be taken for."""
    erased: ErasedView | None = None


class MessagesPage(View, frozen=True):
    """Messages in order of their clock; ``cursor`` goes into the next ``after``."""

    messages: list[MessageView]
    cursor: str


class EventView(View, frozen=True):
    """A held event, with what it carries where that is one of the kinds of docs/protocol.md."""

    id: str
    stream: str
    epoch: str
    node: str
    seq: int
    prev: str | None
    hlc: list[int]
    kind: str
    author: str
    at: int
    verdict: Literal["accepted", "pending", "rejected"]
    reason: str
    withheld: str
    body: dict[str, Any] | None
    message: MessageView | None
    """Set for message.text."""
    cursor: str
    erased: ErasedView | None = None


class EventsPage(View, frozen=True):
    """Events in this node's admission order; ``cursor`` (opaque) goes into the next ``after``."""

    events: list[EventView]
    cursor: str


class Placed(View, frozen=True):
    """Where an act was ordered. It is durable."""

    id: str
    stream: str
    seq: int
    hlc: list[int]
    approval: str = ""
    """The approval that the act waits for; it is not ordered then, ``id`` is '' and ``seq`` 0."""


class LinkView(View, frozen=True):
    """A person or agent at one end of a grant."""

    did: str
    """The did:key of the device."""
    participant: str
    """The DID of whose device it is, '' where that is not known here."""
    name: str
    kind: str
    known_as: str = ""
    """The name known here; '' where there is only what that one claims."""


class StandingView(View, frozen=True):
    """How far this node lets a participant go: 1 architect, 2 super, 3 elevated, 4 normal."""

    did: str
    name: str
    node: str
    node_name: str
    is_local: bool
    standing: int
    standing_name: str
    rights: list[str]
    proposed: int | None
    """A step up that waits for `foedus standing confirm`."""
    since: int | None
    """From when days and acts count: the first accepted act here, the last step, or the last breach."""
    breach: str
    """The last evidence against its node, '' where there is none."""
    acts: int | None = None
    """Accepted acts since then, up to the rule's number; None in lists."""
    missing: list[str] | None = None
    """What the rule still asks for the next step up: days, acts; None in lists."""
    known_as: str = ""
    """The name known here; '' where there is only what that one claims."""
    node_known_as: str = ""


class LayerView(View, frozen=True):
    """What one layer says of an act."""

    layer: Literal["agreement", "grant", "room"]
    verdict: Literal["allows", "refuses", "waits"]
    clause: str
    """By which clause it refuses, '' where it allows."""
    presets: dict[str, str]
    """The presets that it was made from: tier, standing, role."""
    words: str


class ExplainView(View, frozen=True):
    """Who may do what, and which layer and clause says so."""

    who: str
    name: str
    node: str
    node_name: str
    is_local: bool
    act: str
    """A command, a kind of act, or `event`."""
    room: str
    event: str
    allowed: bool
    layer: str
    code: str
    """As the node itself says it where it refuses the act ('' where it is allowed)."""
    layers: list[LayerView]
    why: str = ""
    """The code in plain words."""


class GrantView(View, frozen=True):
    """A grant: a UCAN delegation, in the stream of who gave it."""

    id: str
    """The event that gave it: what acts cite."""
    cid: str
    node: str
    issuer: LinkView
    audience: LinkView
    command: str
    policy: list[Any]
    rooms: list[str]
    """The rooms that the policy names; none: every room."""
    hosts: list[str]
    """The nodes that the policy names; none: every node."""
    one_act: bool
    """It is for one act, whose digest the policy names."""
    uses_per_hour: int
    """0: without limit."""
    after_foreign: bool
    not_before: int | None
    expires: int | None
    """Seconds since 1970 UTC; None: never."""
    state: Literal["in_force", "revoked", "expired", "not_yet"]
    last_used: int | None
    """Clock of the last act of this hour under a grant whose uses are counted, microseconds."""
    room_names: list[str] = []
    """Of each of ``rooms``; '' where it is not held."""
    host_names: list[str] = []
    """What each of ``hosts`` calls itself."""
    hosts_known_as: list[str] = []
    """The name that each of ``hosts`` has here, or ''."""


class ApprovalView(View, frozen=True):
    """An act of an agent that waits, or waited, for a human."""

    id: str
    state: Literal["waiting", "allowed", "done", "denied", "expired", "failed"]
    agent: LinkView
    command: str
    what: str
    """The command in words."""
    arguments: dict[str, str]
    room: str
    room_name: str
    host_name: str
    kind: str
    text: str | None
    """What is to be said, where it is a message."""
    body: str
    """The canonical body of the act, base64url."""
    salt: str
    """What stands before it in the digest, base64url: an agent that signs itself takes both as they are."""
    digest: str
    clause: str
    """Why nothing carried it."""
    needed: int
    """How many human signers have to allow it."""
    humans: list[str]
    """The DIDs of those who allowed or denied it."""
    grants: list[str]
    """Events to cite in ``auth``, for an agent that signs itself."""
    asked_at: int
    until: int
    event: str
    reason: str
    host_known_as: str = ""
    host_looks_like: list[str] = []
    """Names given here to others that the host's claimed name may be taken for."""


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


class Said(View, frozen=True):
    """A message for the node to sign for a custodial agent (or, without ``as_``, as the node itself)."""

    text: str
    as_: str = ""


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


class AuditRowView(View, frozen=True):
    """A row of the audit log: its fields, with bytes as hex. ``cursor`` is its number, ``why`` its rule in words."""

    n: int
    at: int
    until: int
    actor: str
    act: str
    subject: str
    rule: str
    outcome: str
    times: int
    first: int
    last: int
    digest: str
    aggregated: bool
    hash: str
    cursor: str
    why: str = ""


class AuditPage(View, frozen=True):
    """Rows of the audit log, oldest first; ``cursor`` goes into the next ``after``."""

    rows: list[AuditRowView]
    cursor: str


class AuditReport(View, frozen=True):
    """The result of checking an audit log."""

    ok: bool
    node: str
    first: int
    rows: int
    count: int
    """How many rows there ever were."""
    head: str
    seals: int
    unsealed: int
    """Rows at the end that no seal covers yet."""
    claims: int
    """Heads that the node told, and witnesses of peers, that were compared."""
    unchecked: int
    """Of these, about rows that retention has let go."""
    problems: list[str]
    """At most 100, in words; each names its row."""


class RotationView(View, frozen=True):
    """A new epoch was opened."""

    node: str
    epoch: str
    epoch_number: int
    cause: str


class PairCodeView(View, frozen=True):
    """A code for a new device, shown once."""

    code: str
    url: str
    """Where the node answers."""
    link: str
    """URL and code together: what the QR code holds."""
    kind: Literal["human", "agent"]
    did: str
    """The participant who gets a further device; '' where a new one is made."""
    expires: int


class PairStep(View, frozen=True):
    """Where a pairing stands. ``state`` says what the new device does next.

    ``prove``: sign the challenge (docs/protocol.md, section 11). ``waiting``: an enrolled device of the participant
    confirms it; ask again. ``paired``: done.
    """

    state: Literal["prove", "waiting", "paired"]
    pairing: str
    kind: Literal["human", "agent"]
    did: str
    """'' until a new participant has enrolled."""
    node: str
    epoch: str
    now: int
    challenge: str
    """Unpadded base64url."""
    fingerprint: str
    """Of the new device's key: compare it on both screens."""
    expires: int
    token: str = ""
    """The bearer token, told only here, where ``paired``."""

    def __repr__(self) -> str:
        """Never show the token."""
        return f"PairStep({self.state}, {self.pairing})"


class PairingView(View, frozen=True):
    """A new device that waits for an enrolled one to confirm it."""

    pairing: str
    did: str
    name: str
    """The participant's."""
    kind: Literal["human", "agent"]
    device: str
    """Its public key, hex."""
    device_name: str
    fingerprint: str
    possession: str
    """The new key's signature over {did, device, node}, unpadded base64url: it goes into the enrolment."""
    expires: int


class CallerView(View, frozen=True):
    """Who the bearer token stands for: the operator ('' as ``did``) or a participant's device."""

    did: str
    name: str
    kind: Literal["operator", "human", "agent"]
    device: str
    bound: bool
    """Whether requests must carry the header ``foedus-proof`` of that device."""


class TokenView(View, frozen=True):
    """A token, told once."""

    did: str
    name: str
    device: str
    bound: bool
    token: str

    def __repr__(self) -> str:
        """Never show the token."""
        return f"TokenView(did={self.did!r})"
