"""What surfaces may do with credentials, for ``Service``."""

from __future__ import annotations

from typing import Any

from foedus.base.errors import UsageError
from foedus.identity.credentials.credential import Credential, read_credential
from foedus.identity.credentials.document import CREDENTIAL_BYTES_MAX, Document, read_document, to_text
from foedus.identity.credentials.issuing import Question
from foedus.identity.credentials.register import Belief
from foedus.identity.credentials.status_list import is_set
from foedus.identity.credentials.verifying import check_credential
from foedus.identity.did import key_of
from foedus.node.composition import Node
from foedus.node.credential_forms import IssueRequest, PresentRequest, VerifyRequest
from foedus.node.credential_store import Issued, key_of_document
from foedus.node.credentials import Credentials
from foedus.node.verifier import Verifier
from foedus.node.views import Views
from foedus.values.credentials import (
    BeliefView,
    ChallengeView,
    CredentialView,
    DocumentView,
    PlaceView,
    ProvenView,
    VerifiedView,
)


class CredentialOperations:
    """Operations on credentials."""

    _node: Node
    _views: Views
    credentials: Credentials
    verifier: Verifier

    # --- what is here ------------------------------------------------------------------------

    def credential_list(self) -> list[CredentialView]:
        """Return what was issued and what is held here, newest first."""
        kept = self.credentials.kept
        views = [self._issued(key, issued) for key, issued in kept.issued.items()]
        views += [self._held(key, document) for key, document in kept.held.items()]
        return sorted(views, key=lambda view: (-(view.valid_from or 0), view.key, view.role))

    def credential(self, credential: str) -> CredentialView:
        """Return one credential: as it is held here, else as it was issued."""
        kept, key = self.credentials.kept, self.credentials.kept.find(credential)
        if key in kept.held:
            return self._held(key, kept.held[key], with_document=True)
        return self._issued(key, kept.issued[key])

    def _issued(self, key: bytes, issued: Issued) -> CredentialView:
        return CredentialView(
            key=key.hex(),
            id=issued.id,
            role="issued",
            types=list(issued.types),
            issuer=issued.issuer,
            issuer_known_as=self._views.did_known_as(issued.issuer),
            subject=issued.subject,
            subject_known_as=self._views.did_known_as(issued.subject),
            valid_from=issued.valid_from,
            valid_until=issued.valid_until,
            claims={},
            revoked=is_set(self.credentials.bits(issued.list_id), issued.place),
        )

    def _held(self, key: bytes, document: Document, *, with_document: bool = False) -> CredentialView:
        credential = read_credential(document)
        issued = self.credentials.kept.issued.get(key)
        return CredentialView(
            key=key.hex(),
            role="held",
            revoked=is_set(self.credentials.bits(issued.list_id), issued.place) if issued else None,
            document=to_text(document) if with_document else "",
            **self._said(credential),
        )

    def _said(self, credential: Credential) -> dict[str, Any]:
        return {
            "id": credential.id,
            "types": list(credential.types),
            "issuer": credential.issuer,
            "issuer_known_as": self._views.did_known_as(credential.issuer),
            "subject": credential.subject,
            "subject_known_as": self._views.did_known_as(credential.subject),
            "claims": credential.claims,
            "valid_from": credential.valid_from,
            "valid_until": credential.valid_until,
        }

    # --- issuing and revoking ----------------------------------------------------------------

    def credential_place(self, issuer: str) -> PlaceView:
        """Return a free place in the status list of an issuer whose device signs."""
        key_of(issuer)
        url, place, document = self.credentials.place(issuer)
        return PlaceView(url=url, place=place, status_list="" if document is None else to_text(document))

    async def credential_issue(self, request: IssueRequest) -> CredentialView:
        """Issue a credential as this node."""
        key_of(request.subject)
        claims = read_document(request.claims, CREDENTIAL_BYTES_MAX)
        secured = await self.credentials.issue(request.type, request.subject, claims, request.valid_until)
        return self._new(secured)

    async def credential_record(self, document: str, status_list: str) -> CredentialView:
        """Keep a credential that a participant's device issued, with its first status list."""
        return self._new(await self.credentials.record(document, status_list))

    def _new(self, secured: Document) -> CredentialView:
        key = key_of_document(secured)
        return CredentialView(
            key=key.hex(),
            role="issued",
            revoked=False,
            document=to_text(secured),
            **self._said(read_credential(secured)),
        )

    def credential_status_list(self, credential: str) -> PlaceView:
        """Return the status list and the place of what was issued here: for the device that revokes it."""
        issued = self._issued_here(credential)
        document = self.credentials.kept.list_document(issued.list_id)
        return PlaceView(url=str(document["id"]), place=issued.place, status_list=to_text(document))

    async def credential_status_replace(self, status_list: str) -> None:
        """Keep a status list that its issuer's device signed anew."""
        await self.credentials.replace_list(status_list)

    async def credential_revoke(self, credential: str) -> CredentialView:
        """Revoke what this node issued."""
        issued = self._issued_here(credential)
        await self.credentials.revoke(issued)
        return self._issued(self.credentials.kept.find(credential), issued)

    def _issued_here(self, credential: str) -> Issued:
        issued = self.credentials.kept.issued.get(self.credentials.kept.find(credential))
        if issued is None:
            raise UsageError(
                "it was not issued here", code="not_issuer", http_status=403, remedy="only its issuer can revoke it"
            )
        return issued

    # --- holding and showing -----------------------------------------------------------------

    async def credential_hold(self, document: str) -> CredentialView:
        """Keep a credential for its subject. Its signature must hold; whether its issuer is believed, others judge."""
        secured = read_document(document, CREDENTIAL_BYTES_MAX)
        check_credential(secured)
        key = await self.credentials.kept.hold(secured)
        return self._held(key, secured, with_document=True)

    async def credential_forget(self, credential: str) -> None:
        """Hold a credential no longer."""
        await self.credentials.kept.forget(self.credentials.kept.find(credential))

    async def credential_present(self, request: PresentRequest) -> DocumentView:
        """Show held credentials, signed by a custodial agent's key or by the node's."""
        agents = self._node.agents
        key = agents.key(agents.find(request.as_)) if request.as_ else self._node.store.keys.ed25519
        keys = [self.credentials.kept.find(credential) for credential in request.credentials]
        question = Question(request.challenge, request.domain)
        return DocumentView(document=to_text(self.credentials.present(keys, question, key)))

    # --- judging -----------------------------------------------------------------------------

    def credential_challenge(self) -> ChallengeView:
        """Return a question for one presentation."""
        challenge, expires = self.verifier.challenge()
        return ChallengeView(challenge=challenge, domain=self._node.store.node.hex(), expires=expires)

    async def credential_verify(self, request: VerifyRequest) -> VerifiedView:
        """Judge a presentation or a bare credential."""
        question = Question(request.challenge, request.domain or self._node.store.node.hex())
        proved = await self.verifier.verify(request.document, question, request.status_lists)
        return VerifiedView(
            holder=proved.holder,
            holder_known_as=self._views.did_known_as(proved.holder),
            credentials=[ProvenView(**self._said(credential)) for credential in proved.credentials],
        )

    # --- beliefs -----------------------------------------------------------------------------

    def credential_issuers(self) -> list[BeliefView]:
        """Return whom this node believes, in what."""
        return [
            BeliefView(issuer=belief.issuer, issuer_known_as=self._views.did_known_as(belief.issuer), type=belief.type)
            for belief in self.credentials.kept.register.all()
        ]

    async def credential_trust(self, issuer: str, kind: str) -> BeliefView:
        """Believe an issuer in claims of a type."""
        belief = self.credentials.kept.register.checked(issuer, kind)
        await self.credentials.kept.believe(belief)
        return BeliefView(issuer=issuer, issuer_known_as=self._views.did_known_as(issuer), type=kind)

    async def credential_untrust(self, issuer: str, kind: str) -> None:
        """Believe it no longer."""
        await self.credentials.kept.disbelieve(Belief(issuer, kind))
