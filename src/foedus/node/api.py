"""What surfaces may ask of a running node. Every method raises only the three families of ``base.errors``."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Any, Literal, Protocol

from foedus.node.access_api import AccessService
from foedus.node.agreement_values import AgreementService
from foedus.node.audit_values import AuditPage, AuditRowView
from foedus.node.call_api import CallService
from foedus.node.consent_values import ApprovalView, GrantView
from foedus.node.council_api import CouncilService
from foedus.node.council_member_api import CouncilMemberService
from foedus.node.crdt_values import CrdtService
from foedus.node.credential_values import (
    BeliefView,
    ChallengeView,
    CredentialView,
    DocumentView,
    IssueRequest,
    PlaceView,
    PresentRequest,
    VerifiedView,
    VerifyRequest,
)
from foedus.node.document_values import DocumentService
from foedus.node.errand_api import ErrandService
from foedus.node.knowledge_values import KnowledgeService
from foedus.node.nearby_operations import NearbyService
from foedus.node.passkey_values import PasskeyService
from foedus.node.query_api import QueryService
from foedus.node.room_values import EventsPage, EventView, MessagesPage, RoomView, Said
from foedus.node.standing_api import StandingService
from foedus.node.values import (
    IdentityView,
    NameView,
    ParticipantView,
    PeerView,
    Placed,
    PolicyOptionView,
    ProbeView,
    PruningView,
    RotationView,
    SignedAct,
    SigningContext,
    StatusView,
    TierName,
    VerifyReport,
)


class NodeService(
    AccessService,
    StandingService,
    CrdtService,
    DocumentService,
    KnowledgeService,
    QueryService,
    CallService,
    ErrandService,
    CouncilService,
    CouncilMemberService,
    PasskeyService,
    NearbyService,
    Protocol,
):
    """A running node. ``peer`` and ``room`` arguments take a whole id, or an unambiguous name or id prefix ≥ 8."""

    @property
    def token(self) -> str:
        """The operator's bearer token (HOME/token)."""
        ...

    @property
    def agreements(self) -> AgreementService:
        """What is agreed with peers, and how it is changed."""
        ...

    def check_rate(self, caller: str, address: str) -> None:
        """Count a request: of a caller whose token holds, or of an IP address; '' is not counted. Raises TooOften."""
        ...

    def identity(self) -> IdentityView:
        """Return what may be told to anyone."""
        ...

    def status(self) -> StatusView:
        """Return how the node does: what is wrong first."""
        ...

    def policy(self) -> list[PolicyOptionView]:
        """Return every option of the policy in force, and where its value comes from."""
        ...

    def signing_context(self) -> SigningContext:
        """Return what a device binds its acts to."""
        ...

    async def probe(self, url: str) -> ProbeView:
        """Shake hands with the node at an address; its keys are proved, nothing else is said."""
        ...

    async def peer_request(self, url: str, *, expect: str = "", note: str = "", tier: TierName = "CORE") -> PeerView:
        """Ask the node at ``url`` for a connection; refuse where it is not ``expect`` (whole id) if that is given.

        Who gives ``expect`` has confirmed the node; else a person does when it has accepted (``peer_confirm``).
        """
        ...

    async def peer_confirm(self, peer: str) -> PeerView:
        """Confirm that a node which was asked is the one that was meant: its whole id has been compared."""
        ...

    def peers(self) -> list[PeerView]:
        """Return every node in the book."""
        ...

    def peers_pending(self) -> list[PeerView]:
        """Return the requests that wait for this node's human."""
        ...

    def peer(self, peer: str) -> PeerView:
        """Return one peer, with the evidence behind its reputation."""
        ...

    async def peer_accept(self, peer: str, tier: TierName | None = None) -> PeerView:
        """Accept a waiting request; None: with the tier that the policy says."""
        ...

    async def peer_decline(self, peer: str) -> PeerView:
        """Say no to a waiting request; the other is told."""
        ...

    async def peer_ignore(self, peer: str) -> PeerView:
        """Hear nothing of a node any more; it is not told."""
        ...

    async def peer_trust(self, key: str, tier: TierName) -> None:
        """Accept requests from ``key`` (node id, or Ed25519 public key in hex, or did:key) without asking."""
        ...

    async def peer_untrust(self, key: str) -> None:
        """Ask a human again before this key is accepted."""
        ...

    def trusted(self) -> dict[str, str]:
        """Return pre-trusted keys (hex) with their tiers."""
        ...

    async def peer_tier(self, peer: str, tier: TierName) -> PeerView:
        """Give a peer another tier."""
        ...

    async def peer_pause(self, peer: str) -> PeerView:
        """Let nothing flow for a while."""
        ...

    async def peer_resume(self, peer: str) -> PeerView:
        """Let it flow again."""
        ...

    async def peer_disconnect(self, peer: str, reason: str = "") -> PeerView:
        """End the connection: nothing more goes to that peer."""
        ...

    async def peer_follow(self, peer: str) -> PeerView:
        """Follow the newer epoch of a peer that waits for a human."""
        ...

    def participants(self, query: str = "") -> list[ParticipantView]:
        """Return local participants and those of peers, whose name or DID contains ``query``."""
        ...

    async def participant_add_custodial(self, name: str) -> ParticipantView:
        """Make an agent whose key this node keeps."""
        ...

    async def participant_act(self, did: str, act: SignedAct) -> Placed:
        """Order a signed act in ``participant:<did>``: an enrolment (the first makes the participant), a revocation."""
        ...

    def device_cuts(self, did: str, device: str) -> list[list[Any]]:
        """Return [chain id hex, seq, event id hex] of each chain that the device acted in: what a revocation names."""
        ...

    def grants(self) -> list[GrantView]:
        """Return the grants of this node's participants, newest first."""
        ...

    def grant(self, grant: str) -> GrantView:
        """Return one grant, by the id of its event, its CID, or the beginning of either."""
        ...

    def grant_cuts(self, grant: str) -> list[list[Any]]:
        """Return [chain id hex, seq, event id hex] of each chain of this node: what a revocation names."""
        ...

    def approvals(self) -> list[ApprovalView]:
        """Return the acts that wait or waited for a human, oldest first."""
        ...

    async def approval(self, approval: str, *, wait_s: float = 0) -> ApprovalView:
        """Return one approval, once it is decided or after ``wait_s``."""
        ...

    async def approval_ask(self, room: str, agent: str, text: str, delta: str = "") -> ApprovalView:
        """Ask for what an agent with a key of its own wants to say: allowed at once where grants carry it.

        It signs the same words and salt, and cites ``grants``, once that is allowed.
        """
        ...

    async def approval_allow(self, approval: str, did: str, act: SignedAct) -> ApprovalView:
        """Order the grant by which a human allows a waiting act, and then the act."""
        ...

    async def approval_deny(self, approval: str, did: str, reason: str) -> ApprovalView:
        """Say no to a waiting act."""
        ...

    def rooms(self) -> list[RoomView]:
        """Return the rooms held here."""
        ...

    def room(self, room: str) -> RoomView:
        """Return one room."""
        ...

    async def room_create(self, name: str) -> RoomView:
        """Make a room of which this node is the host."""
        ...

    async def room_share(self, room: str, peer: str, role: int | None = None) -> RoomView:
        """Let all participants of a connected peer into a room of ours, with a role or the default of each."""
        ...

    async def room_role(self, room: str, who: str, role: int, title: str = "") -> RoomView:
        """Give a member of a room of ours (a participant's DID or name, or a node) another role from now on."""
        ...

    async def room_unshare(self, room: str, peer: str) -> RoomView:
        """Take a peer out of a room of ours."""
        ...

    async def room_leave(self, room: str) -> RoomView:
        """Leave a room."""
        ...

    async def room_direct(self, participant: str, author: str) -> RoomView:
        """Return the two-party room of local participant ``author`` (name or DID) and ``participant`` (DID)."""
        ...

    async def say(self, room: str, message: Said) -> Placed:
        """Order one message."""
        ...

    async def say_batch(self, room: str, messages: Sequence[Said]) -> list[Placed]:
        """Order messages in the given order, all or none."""
        ...

    async def say_signed(self, room: str, act: SignedAct) -> Placed:
        """Order one message that a device signed."""
        ...

    async def say_signed_batch(self, room: str, acts: Sequence[SignedAct]) -> list[Placed]:
        """Order messages that devices signed, all or none."""
        ...

    def messages(self, room: str, *, after: str = "", limit: int = 50, before: str = "") -> MessagesPage:
        """Return the ``limit`` messages after the cursor, or without one the newest, or the last before a message."""
        ...

    def events(self, *, after: str = "", limit: int = 100, stream: str = "") -> EventsPage:
        """Return a page of events in admission order."""
        ...

    def follow(self, *, after: str | None = None, stream: str = "") -> AsyncIterator[EventView]:
        """Yield events as they become durable here, after a cursor (None: from now on), without a gap."""
        ...

    def names(self) -> list[NameView]:
        """Return the names given here to peers and participants."""
        ...

    async def name_set(self, who: str, name: str) -> NameView:
        """Name ``who``: a peer, or a participant's DID."""
        ...

    async def name_remove(self, who: str) -> None:
        """Take back the name of ``who``: a peer, a DID, or the name itself."""
        ...

    def credential_list(self) -> list[CredentialView]:
        """Return what was issued and what is held here, newest first."""
        ...

    def credential(self, credential: str) -> CredentialView:
        """Return one credential, named by its key, the beginning of it, or its id."""
        ...

    def credential_place(self, issuer: str) -> PlaceView:
        """Return a free place in the status list of an issuer whose device signs."""
        ...

    async def credential_issue(self, request: IssueRequest) -> CredentialView:
        """Issue a credential as this node."""
        ...

    async def credential_record(self, document: str, status_list: str) -> CredentialView:
        """Keep a credential that a participant's device issued, with its first status list."""
        ...

    def credential_status_list(self, credential: str) -> PlaceView:
        """Return the status list and the place of a credential that was issued here."""
        ...

    async def credential_status_replace(self, status_list: str) -> None:
        """Keep a status list that its issuer's device signed anew."""
        ...

    async def credential_revoke(self, credential: str) -> CredentialView:
        """Revoke what this node issued."""
        ...

    async def credential_hold(self, document: str) -> CredentialView:
        """Keep a credential for its subject."""
        ...

    async def credential_forget(self, credential: str) -> None:
        """Hold a credential no longer."""
        ...

    async def credential_present(self, request: PresentRequest) -> DocumentView:
        """Show held credentials, signed by a custodial agent's key or by the node's."""
        ...

    def credential_challenge(self) -> ChallengeView:
        """Return a question for one presentation."""
        ...

    async def credential_verify(self, request: VerifyRequest) -> VerifiedView:
        """Judge a presentation or a bare credential."""
        ...

    def credential_issuers(self) -> list[BeliefView]:
        """Return whom this node believes, in what."""
        ...

    async def credential_trust(self, issuer: str, kind: str) -> BeliefView:
        """Believe an issuer (did:key) in claims of a type."""
        ...

    async def credential_untrust(self, issuer: str, kind: str) -> None:
        """Believe it no longer."""
        ...

    def event(self, event: str) -> EventView:
        """Return one held event by its id."""
        ...

    async def erase(self, event: str, reason: Literal["author", "moderator", "retention"]) -> Placed:
        """Erase an event: as its author where the node keeps that key, else as the room's host."""
        ...

    async def erase_signed(self, event: str, act: SignedAct) -> Placed:
        """Order an erasure of an event that a device signed."""
        ...

    async def retention_run(self, days: int | None, room: str) -> PruningView:
        """Prune now: by these days (of one room, or ''), or where that is None as the policy says."""
        ...

    async def retention_skip(self, room: str) -> PruningView:
        """Go on without what peers no longer have of a room; they are gone from here, too."""
        ...

    async def verify(self) -> VerifyReport:
        """Check the whole log from disk again."""
        ...

    def note_operation(self, actor: str, operation: str, code: str) -> None:
        """Note in the audit log what was asked of the API, and by which code it was refused ('': it was done)."""
        ...

    async def audit_rows(self, *, after: str = "", limit: int = 100, newest: bool = False) -> AuditPage:
        """Return a page of the audit log; ``after``: the number of a row, '' for the first."""
        ...

    def audit_follow(self, *, after: str | None = None) -> AsyncIterator[AuditRowView]:
        """Yield rows of the audit log as they become durable, after a row (None: from now on), without a gap."""
        ...

    async def key_rotate(self) -> RotationView:
        """Open an epoch with new keys."""
        ...

    async def key_recover(self, words: str) -> RotationView:
        """Take the identity back with the 24 recovery words."""
        ...

    def metrics(self) -> bytes:
        """Return the counters in Prometheus' text format."""
        ...
