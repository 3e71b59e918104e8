"""The part of the fake NodeService that has to do with credentials."""

from types import MappingProxyType

from foedus.base.errors import NotFound, UsageError
from foedus.values.credentials import (
    BeliefView,
    ChallengeView,
    CredentialView,
    DocumentView,
    PlaceView,
    ProvenView,
    VerifiedView,
)
from tests.surfaces.http.fake_values import hex_id

SAID = MappingProxyType(
    {
        "id": "urn:uuid:1",
        "types": ["Engineer"],
        "issuer": "did:key:z6MkGuild",
        "issuer_known_as": "",
        "subject": "did:key:z6MkAda",
        "subject_known_as": "ada",
        "claims": {"since": 2019},
        "valid_from": 1,
        "valid_until": None,
    }
)


class FakeCredentials:
    """Takes any document for a credential."""

    documents = MappingProxyType({})
    beliefs = frozenset()

    def _view(self, key, role="held"):
        return CredentialView(**SAID, key=key, role=role, revoked=None, document=self.documents.get(key, ""))

    def credential_list(self):
        return [self._view(key) for key in self.documents]

    def credential(self, credential):
        if credential not in self.documents:
            raise NotFound("there is no such credential")
        return self._view(credential)

    def credential_place(self, issuer):
        if not issuer.startswith("did:key:"):
            raise UsageError("no DID", code="bad_did")
        return PlaceView(url="https://node.example/api/credentials/status/0", place=7, status_list="")

    async def credential_issue(self, request):
        return await self.credential_hold(request.claims)

    async def credential_record(self, document, status_list):
        return await self.credential_hold(document + status_list)

    def credential_status_list(self, credential):
        self.credential(credential)
        return PlaceView(url="https://node.example/api/credentials/status/0", place=7, status_list="{}")

    async def credential_status_replace(self, status_list):
        if not status_list:
            raise UsageError("no list")

    async def credential_revoke(self, credential):
        return self.credential(credential)

    async def credential_hold(self, document):
        key = hex_id("credential", document)
        self.documents = {**self.documents, key: document}
        return self._view(key)

    async def credential_forget(self, credential):
        self.credential(credential)
        self.documents = {key: text for key, text in self.documents.items() if key != credential}

    async def credential_present(self, request):
        return DocumentView(document=" ".join(request.credentials))

    def credential_challenge(self):
        return ChallengeView(challenge="c", domain="d", expires=1)

    async def credential_verify(self, request):
        if not request.document:
            raise UsageError("it is not a JSON object", code="bad_document")
        return VerifiedView(holder="", holder_known_as="", credentials=[ProvenView(**SAID)])

    def credential_issuers(self):
        return [BeliefView(issuer=issuer, issuer_known_as="", type=kind) for issuer, kind in self.beliefs]

    async def credential_trust(self, issuer, kind):
        self.beliefs |= {(issuer, kind)}
        return BeliefView(issuer=issuer, issuer_known_as="", type=kind)

    async def credential_untrust(self, issuer, kind):
        if (issuer, kind) not in self.beliefs:
            raise NotFound("not believed")
        self.beliefs -= {(issuer, kind)}
