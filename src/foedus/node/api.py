"""What surfaces may ask of a running node. Every method raises only the three families of ``base.errors``."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any, Protocol

from foedus.node.access_api import AccessService
from foedus.node.agreement_api import AgreementService
from foedus.node.call_api import CallService
from foedus.node.consent_api import ConsentService
from foedus.node.council_api import CouncilService
from foedus.node.council_member_api import CouncilMemberService
from foedus.node.crdt_api import CrdtService
from foedus.node.credential_api import CredentialService
from foedus.node.document_api import DocumentService
from foedus.node.errand_api import ErrandService
from foedus.node.knowledge_api import KnowledgeService
from foedus.node.passkey_api import PasskeyService
from foedus.node.peer_api import PeerService
from foedus.node.query_api import QueryService
from foedus.node.room_api import RoomService
from foedus.node.standing_api import StandingService
from foedus.values.audit import AuditPage, AuditRowView
from foedus.values.node import (
    IdentityView,
    NameView,
    ParticipantView,
    Placed,
    PolicyOptionView,
    PruningView,
    RotationView,
    SignedAct,
    SigningContext,
    StatusView,
    VerifyReport,
)


class NodeService(
    PeerService,
    ConsentService,
    RoomService,
    CredentialService,
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

    def names(self) -> list[NameView]:
        """Return the names given here to peers and participants."""
        ...

    async def name_set(self, who: str, name: str) -> NameView:
        """Name ``who``: a peer, or a participant's DID."""
        ...

    async def name_remove(self, who: str) -> None:
        """Take back the name of ``who``: a peer, a DID, or the name itself."""
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
