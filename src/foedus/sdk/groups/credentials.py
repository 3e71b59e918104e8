"""Credentials: issue, hold, present, verify, revoke, and whom this node believes."""

from __future__ import annotations

from collections.abc import Sequence

from foedus.sdk.operation import Group, M, Sent, operation
from foedus.values.credentials import (
    BeliefView,
    ChallengeView,
    CredentialView,
    DocumentView,
    PlaceView,
    VerifiedView,
)


class Credentials(Group[M]):
    """W3C Verifiable Credentials. Documents are JSON texts; ``credential``: the key of one."""

    @operation("GET", "/credentials")
    def all(self) -> Sent[list[CredentialView]]:
        """Return the credentials issued and held here."""
        return Sent()

    @operation("POST", "/credentials")
    def hold(self, document: str) -> Sent[CredentialView]:
        """Keep a credential for its subject."""
        return Sent(body={"document": document})

    @operation("GET", "/credentials/{credential}")
    def show(self, credential: str) -> Sent[CredentialView]:
        """Return one, with its document."""
        return Sent({"credential": credential})

    @operation("DELETE", "/credentials/{credential}")
    def forget(self, credential: str) -> Sent[None]:
        """Hold a credential no longer."""
        return Sent({"credential": credential})

    @operation("POST", "/credentials/issue")
    def issue(
        self, type_: str, subject: str, *, claims: str = "{}", valid_until: int | None = None
    ) -> Sent[CredentialView]:
        """Issue one as this node. ``claims``: JSON of an object; ``valid_until``: µs since 1970 UTC."""
        return Sent(body={"type": type_, "subject": subject, "claims": claims, "valid_until": valid_until})

    @operation("POST", "/credentials/issued")
    def record(self, document: str, *, status_list: str = "") -> Sent[CredentialView]:
        """Keep a credential that a participant's device issued."""
        return Sent(body={"document": document, "status_list": status_list})

    @operation("POST", "/credentials/place")
    def place(self, issuer: str) -> Sent[PlaceView]:
        """Return a free place in the status list of an issuer whose device signs."""
        return Sent(body={"issuer": issuer})

    @operation("GET", "/credentials/{credential}/status")
    def status(self, credential: str) -> Sent[PlaceView]:
        """Return the status list and the place of a credential issued here."""
        return Sent({"credential": credential})

    @operation("POST", "/credentials/status")
    def replace_status(self, status_list: str) -> Sent[None]:
        """Keep a status list that its issuer's device signed anew."""
        return Sent(body={"status_list": status_list})

    @operation("POST", "/credentials/{credential}/revoke")
    def revoke(self, credential: str) -> Sent[CredentialView]:
        """Revoke a credential that this node issued."""
        return Sent({"credential": credential})

    @operation("POST", "/credentials/challenge")
    def challenge(self) -> Sent[ChallengeView]:
        """Return a question for one presentation, to be answered once within ten minutes."""
        return Sent()

    @operation("POST", "/credentials/present")
    def present(self, credentials: Sequence[str], challenge: str, domain: str, *, as_: str = "") -> Sent[DocumentView]:
        """Show held credentials, signed by the key of an agent (``as_``) or by the node's."""
        body = {"credentials": list(credentials), "challenge": challenge, "domain": domain, "as": as_}
        return Sent(body=body)

    @operation("POST", "/credentials/verify")
    def verify(
        self, document: str, *, challenge: str = "", domain: str = "", status_lists: Sequence[str] = ()
    ) -> Sent[VerifiedView]:
        """Judge a presentation or a bare credential; a refusal is an error whose code says why."""
        lists = list(status_lists)
        return Sent(body={"document": document, "challenge": challenge, "domain": domain, "status_lists": lists})

    @operation("GET", "/credentials/issuers")
    def issuers(self) -> Sent[list[BeliefView]]:
        """Return the issuers believed here."""
        return Sent()

    @operation("POST", "/credentials/issuers")
    def believe(self, issuer: str, type_: str) -> Sent[BeliefView]:
        """Believe an issuer in claims of a type."""
        return Sent(body={"issuer": issuer, "type": type_})

    @operation("DELETE", "/credentials/issuers/{issuer}/{type}")
    def doubt(self, issuer: str, type_: str) -> Sent[None]:
        """Believe an issuer no longer in claims of a type."""
        return Sent({"issuer": issuer, "type": type_})
