"""What surfaces may ask of a running node about credentials."""

from __future__ import annotations

from typing import Protocol

from foedus.node.credential_forms import IssueRequest, PresentRequest, VerifyRequest
from foedus.values.credentials import BeliefView, ChallengeView, CredentialView, DocumentView, PlaceView, VerifiedView


class CredentialService(Protocol):
    """Credentials: a part of ``api.NodeService``."""

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
