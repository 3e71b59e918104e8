"""Credentials of this node: it issues as itself, and keeps what its people issue and hold.

A person's credentials and status list are signed on their device; the node checks, keeps and serves them.
"""

from __future__ import annotations

import secrets
from uuid import UUID

from foedus.base.clock import Instant
from foedus.base.errors import UsageError
from foedus.crypto.ed25519 import Ed25519Key
from foedus.identity.credentials import status_list
from foedus.identity.credentials.credential import StatusEntry, read_credential
from foedus.identity.credentials.document import (
    CREDENTIAL_BYTES_MAX,
    STATUS_LIST_BYTES_MAX,
    Document,
    read_document,
)
from foedus.identity.credentials.issuing import Claim, Question, issue, issue_status_list, present
from foedus.identity.credentials.verifying import (
    CREDENTIALS_MAX,
    check_credential,
    read_status_list,
)
from foedus.identity.did import did_of
from foedus.node.composition import Node
from foedus.node.credential_store import LIST_ID_BYTES, STATUS_ROOT, CredentialStore, Issued, list_id_in
from foedus.node.principals import Principals


class NotIssuer(UsageError):
    """The key that signed is not one that issues at this node."""

    code = "not_issuer"
    http_status = 403
    remedy = "sign with a device in force of a participant of this node"


class Credentials:
    """The credentials of one node."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self.kept = CredentialStore(node.store)
        self.principals = Principals(node.store)

    # --- issuing -----------------------------------------------------------------------------

    def place(self, issuer: str) -> tuple[str, int, Document | None]:
        """Return (URL of the list, free place, the list's credential or None) for the next credential of an issuer."""
        list_id = self.kept.list_of(issuer)
        if list_id is None:
            return self._url(secrets.token_hex(LIST_ID_BYTES)), secrets.randbelow(status_list.STATUS_BITS_MIN), None
        document = self.kept.lists[list_id]
        return document["id"], self.kept.free_place(list_id), document

    def _url(self, list_id: str) -> str:
        addresses = self._node.peers.advertised
        if not addresses:
            raise UsageError("this node has no address yet", code="no_address", remedy="start it with `foedus up`")
        return f"{addresses[0].rstrip('/')}{STATUS_ROOT}/{list_id}"

    async def issue(self, kind: str, subject: str, claims: Document, valid_until: Instant | None) -> Document:
        """Issue a credential as this node."""
        key, now = self._node.store.keys.ed25519, self._node.store.now()
        url, place, held = self.place(did_of(key.public))
        claim = Claim(
            id=new_urn(),
            type=kind,
            subject=subject,
            claims=claims,
            valid_from=now,
            valid_until=valid_until,
            status=StatusEntry(url, place),
        )
        secured = issue(claim, key)
        first = None if held is not None else issue_status_list(url, status_list.empty_list(), now, key)
        await self._keep(secured, first)
        return secured

    async def record(self, secured_text: str, list_text: str) -> Document:
        """Keep a credential that a participant's device signed, with the issuer's first status list where it is new."""
        secured = read_document(secured_text, CREDENTIAL_BYTES_MAX)
        first = read_document(list_text, STATUS_LIST_BYTES_MAX) if list_text else None
        _, credential = check_credential(secured)
        if self.principals.node_of(credential.issuer) != self._node.store.node:
            raise NotIssuer(f"{credential.issuer} does not issue at this node")
        if not self.principals.speaks_for(credential.issuer, credential.issuer):
            raise NotIssuer(f"the device of {credential.issuer} was revoked")
        await self._keep(secured, first)
        return secured

    async def _keep(self, secured: Document, first: Document | None) -> None:
        """Check that the credential has a free place in its issuer's list, and keep both."""
        _, credential = check_credential(secured)
        entry = credential.status
        list_id = list_id_in(entry.url) if entry else None
        if entry is None or list_id is None:
            raise UsageError("the credential names no status list of this node", code="bad_status")
        if (self.kept.list_of(credential.issuer) or list_id) != list_id or (list_id in self.kept.lists) is bool(first):
            raise UsageError(
                "the issuer has another status list here", code="bad_status", remedy="ask for a place anew"
            )
        if first is not None:
            listed = read_status_list(first, entry.url, self._node.store.now())
            if listed.issuer != credential.issuer:
                raise NotIssuer("the status list was signed by another key")
        if not self.kept.is_free(list_id, entry.place):
            raise UsageError("the place is taken", code="place_taken", http_status=409, remedy="ask for a place anew")
        issued = Issued(
            credential.id,
            credential.types,
            credential.issuer,
            credential.subject,
            credential.valid_from,
            credential.valid_until,
            list_id,
            entry.place,
        )
        await self.kept.add_issued(secured, issued, first)

    # --- revoking ----------------------------------------------------------------------------

    def bits(self, list_id: str) -> bytes:
        """Return the bits of a list of this node."""
        return status_list.decode_list(self.kept.list_document(list_id)["credentialSubject"]["encodedList"])

    async def revoke(self, issued: Issued) -> None:
        """Revoke what this node issued; its newest key signs the list also of a former epoch."""
        if self.principals.node_of(issued.issuer) != self._node.store.node or not self._is_own(issued.issuer):
            raise NotIssuer("a participant issued it: its device signs the revocation")
        document = self.kept.list_document(issued.list_id)
        bits = status_list.with_bit(self.bits(issued.list_id), issued.place)
        key, now = self._node.store.keys.ed25519, self._node.store.now()
        await self.kept.put_list(issued.list_id, issue_status_list(document["id"], bits, now, key))

    def _is_own(self, did: str) -> bool:
        return self.principals.speaks_for(did_of(self._node.store.keys.ed25519.public), did)

    async def replace_list(self, text: str) -> None:
        """Keep a list that its issuer's device signed anew; what was revoked must stay so."""
        document = read_document(text, STATUS_LIST_BYTES_MAX)
        url = str(document.get("id", ""))
        listed = read_status_list(document, url, self._node.store.now())
        list_id = list_id_in(url) or ""
        held = read_credential(self.kept.list_document(list_id))
        if held.issuer != listed.issuer or not self.principals.speaks_for(listed.issuer, held.issuer):
            raise NotIssuer("the status list was signed by another key")
        if not status_list.keeps(self.bits(list_id), listed.bits) or listed.issued_at < (held.valid_from or 0):
            raise UsageError("a revocation cannot be taken back", code="revocation_lost", remedy="read the list anew")
        await self.kept.put_list(list_id, document)

    # --- showing -----------------------------------------------------------------------------

    def present(self, keys: list[bytes], question: Question, signer: Ed25519Key) -> Document:
        """Return a presentation of held credentials."""
        shown = [self.kept.held[key] for key in keys if key in self.kept.held]
        if len(shown) != len(keys) or not 1 <= len(keys) <= CREDENTIALS_MAX:
            raise UsageError(
                f"name 1 to {CREDENTIALS_MAX} credentials that are held here",
                code="unknown_credential",
                remedy="keep one with `foedus credential hold FILE`",
            )
        return present(shown, question, self._node.store.now(), signer)


def new_urn() -> str:
    """Return a random URN for a credential (RFC 9562, version 4)."""
    return UUID(bytes=secrets.token_bytes(16), version=4).urn
