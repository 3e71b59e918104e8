"""What surfaces may do with agreements: ``agreement_api.AgreementService``, over ``node.agreements``."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from typing import Literal

from msgspec.structs import replace

from foedus.base.base64url import from_base64url, to_base64url
from foedus.base.cbor import Malformed, NotCanonical
from foedus.base.errors import FoedusError, NotFound, UsageError
from foedus.base.ids import parse_id, short
from foedus.base.limits import NOTE_MAX
from foedus.crypto import ed25519
from foedus.crypto.labels import signed_bytes
from foedus.log.bodies import Consent
from foedus.node.agreement_line import Line
from foedus.node.agreement_views import AgreementViews, open_proposals
from foedus.node.agreements import plain
from foedus.node.composition import Node
from foedus.trust.agreement import sign
from foedus.trust.agreements.document import Agreement, agreement_id, read
from foedus.trust.agreements.ledger import Proposal, may_approve
from foedus.trust.agreements.states import State, Whose, Wish, may
from foedus.trust.agreements.terms import Terms, next_version
from foedus.trust.inputs import HumanDisconnect
from foedus.trust.peer import State as PeerState
from foedus.values.agreements import AgreementView, ChangeView, DraftView, HumanWord, VersionView
from foedus.values.node import Trouble

PROPOSALS_OPEN_MAX = 16
"""Proposals of ours that wait at one time: a person at the other side reads them all."""
_SHOW = "see `foedus agreement show PEER`"


class NotNow(UsageError):
    """The document is not in a state in which this may be done. Nothing has changed."""

    code = "wrong_state"
    http_status = 409
    remedy = _SHOW


class SignerNeeded(UsageError):
    """One of the humans whom the agreement in force names has to approve, by a device of theirs."""

    code = "signer_needed"
    http_status = 403
    remedy = "add --as NAME, with the FOEDUS_DEVICE that holds their key"


class AgreementOperations:
    """Answers the surfaces. ``peer_id``: finds a peer by what a person typed."""

    def __init__(self, node: Node, peer_id: Callable[[str], bytes], peer_name: Callable[[bytes], str]) -> None:
        self._node = node
        self._peer_id = peer_id
        self._views = AgreementViews(node.store, peer_name)

    # --- looking -----------------------------------------------------------------------------

    def all(self) -> list[AgreementView]:
        """Return what is agreed with every connected peer."""
        peers = self._node.peers.book.peers.values()
        return [self._view(peer.node) for peer in peers if peer.state is PeerState.CONNECTED]

    def show(self, peer: str) -> AgreementView:
        """Return what is agreed with a peer, also after its end."""
        return self._view(self._peer_id(peer))

    def history(self, peer: str) -> list[VersionView]:
        """Return every document of the connection, from the starter on: versions and proposals."""
        line = self._line(self._peer_id(peer))
        proposed = {it.act.id for it in line.standing.proposals}
        versions = [self._views.version(line, it) for it in line.standing.versions if it.id not in proposed]
        return versions + [self._views.proposal(line, it) for it in line.standing.proposals]

    def diff(self, peer: str, older: str = "", newer: str = "") -> list[ChangeView]:
        """Return what changes from one document to another; by default from what is in force to what waits."""
        line = self._line(self._peer_id(peer))
        before = self._document(line, older) if older else line.newest.agreement
        after = self._document(line, newer) if newer else self._waiting(line).act.agreement
        return self._views.changes(before, after)

    def troubles(self) -> list[Trouble]:
        """Return what a human should look at: proposals that wait, and agreements that end soon or have ended."""
        own = self._node.store.node
        found: list[Trouble] = []
        for view in self.all():
            found += self._views.troubles(view)
            if not self._line(bytes.fromhex(view.peer)).says_signed(own):
                found.append(self._views.not_ours(view))
        return found

    # --- proposing ---------------------------------------------------------------------------

    def draft(self, peer: str, terms: Terms) -> DraftView:
        """Make the document of a next version."""
        line = self._line(self._peer_id(peer))
        base, own = line.newest, self._node.store.node
        document = next_version(base.agreement, base.id, own, terms, secrets.token_bytes(32))
        changes = self._views.changes(base.agreement, read(document))
        if not changes:
            raise UsageError("these terms change nothing", code="no_change", remedy="name what shall be otherwise")
        return DraftView(
            document=to_base64url(document),
            id=agreement_id(document).hex(),
            changes=changes,
            signers=sorted(base.agreement.dids_of(own)),
        )

    async def propose(
        self, peer: str, document: str, *, answers: str = "", human: HumanWord | None = None
    ) -> AgreementView:
        """Offer a drafted document to the peer, in the place of its proposal ``answers`` where that is given."""
        node = self._peer_id(peer)
        data = from_base64url(document)
        await self._node.governance.require_agreement(node, agreement_id(data))
        async with self._node.agreements.order:
            line = self._line(node)
            self._check_proposal(line, data)
            word = self._approved(line, data, human)
            signature = sign(self._node.store.keys.ed25519, data)
            body = {"agreement": data, "signature": signature, "human": plain(word)}
            kind = "agreement.propose"
            if answers:
                kind = "agreement.counter"
                body["answers"] = self._find(line, answers, "counter").act.id
            await self._node.agreements.write(node, kind, body)
        return self._view(node)

    def _check_proposal(self, line: Line, data: bytes) -> None:
        """Raise UsageError unless the document is the next one of this line, and there is room for it."""
        try:
            agreement = read(data)
        except (Malformed, NotCanonical) as error:
            raise UsageError(str(error), code="bad_document", remedy="draft it again") from None
        base = line.newest
        if (agreement.nodes, agreement.base, agreement.version) != (
            base.agreement.nodes,
            base.id,
            base.agreement.version + 1,
        ):
            raise NotNow(
                "another version is in force by now than the one this document follows", remedy="draft it again"
            )
        self._check(line, "propose", "both", line.standing.state_of(base, self._node.store.now()))
        if agreement.is_expired(self._node.store.now()):
            raise UsageError("the document would have expired already", code="bad_terms", remedy="give a later date")
        own = [it for it in open_proposals(line) if it.by == self._node.store.node]
        if len(own) >= PROPOSALS_OPEN_MAX:
            raise NotNow(f"{len(own)} proposals of yours wait already", remedy="withdraw some of them")

    def _approved(self, line: Line, document: bytes, human: HumanWord | None) -> Consent | None:
        """Return a human's word after checking it; raise where one is needed, or where it is not theirs."""
        word = None if human is None else _consent(human)
        store = self._node.store
        if word is not None:
            if not self._node.agreements.stands_by(store.node, word):
                raise SignerNeeded("that device speaks for no human of this node", code="unknown_device")
            if not ed25519.verify(word.device, signed_bytes("agreement", document), word.signature):
                raise SignerNeeded("the device's signature is not of this document", code="invalid_signature")
        if not may_approve(line.newest.agreement, store.node, word):
            raise SignerNeeded("the agreement in force names the humans of this node who may change it")
        return word

    # --- answering ---------------------------------------------------------------------------

    async def sign(self, peer: str, agreement: str, human: HumanWord | None = None) -> AgreementView:
        """Sign the peer's proposal."""
        node = self._peer_id(peer)
        await self._node.governance.require_agreement(node, self._find(self._line(node), agreement, "sign").act.id)
        async with self._node.agreements.order:
            line = self._line(node)
            proposal = self._find(line, agreement, "sign")
            if proposal.act.agreement.is_expired(self._node.store.now()):
                raise NotNow("the proposal has expired", remedy="decline it, and propose another")
            if not self._node.agreements.stands_by(node, proposal.act.human):
                raise NotNow("the device that approved it there was revoked", remedy="ask them to propose it again")
            word = self._approved(line, proposal.act.document, human)
            body = self._node.agreements.signed(proposal.act, proposal.act.signature, word)
            await self._node.agreements.write(node, "agreement.sign", body)
        return self._view(node)

    async def decline(self, peer: str, agreement: str = "") -> AgreementView:
        """Say no to the peer's proposal."""
        return await self._refuse(peer, agreement, "decline")

    async def withdraw(self, peer: str, agreement: str = "") -> AgreementView:
        """Take back what is not yet in force."""
        return await self._refuse(peer, agreement, "withdraw")

    async def _refuse(self, peer: str, agreement: str, wish: Literal["decline", "withdraw"]) -> AgreementView:
        node = self._peer_id(peer)
        async with self._node.agreements.order:
            proposal = self._find(self._line(node), agreement, wish)
            await self._node.agreements.write(node, f"agreement.{wish}", {"agreement": proposal.act.id})
        return self._view(node)

    async def terminate(self, peer: str, reason: str = "") -> AgreementView:
        """End the agreement, and with it the connection."""
        node = self._peer_id(peer)
        self._line(node)
        await self._node.peers.handle(node, HumanDisconnect(reason[:NOTE_MAX] or "the agreement was terminated"))
        return self._view(node)

    def _view(self, node: bytes) -> AgreementView:
        view = self._views.agreement(node, self._line(node))
        if self._node.peers.book.peer(node).state is PeerState.CONNECTED:
            return view
        ended = replace(view.in_force, state="ended")  # the connection's end comes first, the event of it after
        return replace(view, in_force=ended, proposals=[], waits_for_us=[])

    # --- finding -----------------------------------------------------------------------------

    def _line(self, node: bytes) -> Line:
        line = self._node.agreements.line(node)
        if line is None:
            raise NotFound("there is no agreement with this node", code="no_agreement", remedy="see `foedus peer list`")
        return line

    def _find(self, line: Line, wanted: str, wish: Wish) -> Proposal:
        """Return the proposal that is meant ('' the only one for which the wish is possible); raise UsageError."""
        if not wanted:
            return self._only([it for it in open_proposals(line) if may(wish, self._whose(it), it.state)], wish)
        proposal = self._only([it for it in line.standing.proposals if it.act.id.hex().startswith(wanted)], wish)
        self._check(line, wish, self._whose(proposal), proposal.state)
        return proposal

    @staticmethod
    def _only(found: Sequence[Proposal], wish: str) -> Proposal:
        if not found:
            raise NotFound(f"there is no such proposal to {wish}", code="no_proposal", remedy=_SHOW)
        if len(found) > 1:
            ids = ", ".join(short(it.act.id) for it in found)
            raise UsageError(f"which proposal? There are {ids}", code="ambiguous", remedy="give the id")
        return found[0]

    def _whose(self, proposal: Proposal) -> Whose:
        return "ours" if proposal.by == self._node.store.node else "theirs"

    def _check(self, line: Line, wish: Wish, whose: Whose, state: State) -> None:
        """Raise NotNow unless the tables let a human wish this, and the connection stands."""
        if line.ended is not None or not may(wish, whose, state):
            raise NotNow(f"the document is {state}: '{wish}' is not possible now")
        peer = next(other for other in line.root.agreement.nodes if other != self._node.store.node)
        if self._node.peers.book.peer(peer).state is not PeerState.CONNECTED:
            raise NotNow("this node is not connected here", remedy="ask it again with `foedus peer request URL`")

    def _waiting(self, line: Line) -> Proposal:
        """Return the newest proposal that waits, of the other side where there is one."""
        found = open_proposals(line)
        theirs = [it for it in found if it.by != self._node.store.node]
        if not found:
            raise NotFound("no proposal waits", code="no_proposal", remedy="name two versions; see `agreement history`")
        return (theirs or found)[-1]

    def _document(self, line: Line, wanted: str) -> Agreement:
        """Return a document of the line by id, its first digits, or the number of its version."""
        if wanted.isdecimal() and int(wanted) <= len(line.standing.versions):
            return line.standing.versions[max(1, int(wanted)) - 1].agreement
        known = {it.id: it.agreement for it in line.standing.versions}
        known |= {it.act.id: it.act.agreement for it in line.standing.proposals}
        found = [agreement for key, agreement in known.items() if key.hex().startswith(wanted)]
        if len(found) != 1:
            raise NotFound(f"there is no document {wanted[:80]!r}", code="no_version", remedy="see `agreement history`")
        return found[0]


def _consent(human: HumanWord) -> Consent:
    """Return a human's word as events hold it; raise UsageError."""
    try:
        return Consent(human.did, parse_id(human.device), from_base64url(human.signature))
    except FoedusError as error:
        raise UsageError(str(error), code="bad_signature", remedy="give a device key in hex, and base64url") from None
