"""Making credentials, presentations and status lists. Pure: ids, times and keys are arguments."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from msgspec import Struct

from foedus.base.clock import Instant
from foedus.base.errors import UsageError
from foedus.crypto.ed25519 import Ed25519Key
from foedus.identity.credentials import status_list
from foedus.identity.credentials.credential import (
    CONTEXT,
    CREDENTIAL,
    PURPOSE,
    STATUS_LIST,
    TERMS,
    StatusEntry,
    is_type,
    plain_status,
)
from foedus.identity.credentials.document import CREDENTIAL_BYTES_MAX, Document, read_document, to_text
from foedus.identity.credentials.instants import to_stamp
from foedus.identity.credentials.proof import ProofOptions, sign_document
from foedus.identity.did import did_of

PRESENTATION = "VerifiablePresentation"


class BadClaim(UsageError):
    """What is to be claimed cannot stand in a credential."""

    code = "bad_claim"
    remedy = "a claim is a small JSON object; a type is a name of letters and digits, such as Employee"


class Claim(Struct, frozen=True, kw_only=True):
    """What an issuer says of a subject. ``id``: a URN of its own; ``valid_until`` None: until it is revoked."""

    id: str
    type: str
    subject: str
    claims: Document
    valid_from: Instant
    valid_until: Instant | None
    status: StatusEntry | None


class Question(Struct, frozen=True):
    """What a verifier asked for: its fresh challenge, and who it is (its own name, such as its DID)."""

    challenge: str
    domain: str


def issue(claim: Claim, key: Ed25519Key) -> Document:
    """Return the credential, signed by ``key``; raise BadClaim or BadDocument where it would be refused everywhere."""
    if not is_type(claim.type) or "id" in claim.claims or not claim.subject:
        raise BadClaim(f"{claim.type[:80]!r} with these claims cannot be issued")
    if claim.valid_until is not None and claim.valid_until <= claim.valid_from:
        raise BadClaim("it would never be valid", code="bad_time", remedy="let it expire later")
    document: Document = {
        "@context": [CONTEXT, TERMS],
        "id": claim.id,
        "type": [CREDENTIAL, claim.type],
        "issuer": did_of(key.public),
        "validFrom": to_stamp(claim.valid_from),
        "credentialSubject": {"id": claim.subject, **claim.claims},
    }
    if claim.valid_until is not None:
        document["validUntil"] = to_stamp(claim.valid_until)
    if claim.status is not None:
        document["credentialStatus"] = plain_status(claim.status)
    secured = sign_document(document, ProofOptions(purpose="assertionMethod", created=claim.valid_from), key)
    read_document(to_text(secured), CREDENTIAL_BYTES_MAX)
    return secured


def issue_status_list(url: str, bits: bytes, now: Instant, key: Ed25519Key) -> Document:
    """Return the credential of a status list at ``url``, signed by ``key``. ``bits``: as ``status_list`` makes them."""
    subject: dict[str, Any] = {
        "id": f"{url}#list",
        "type": "BitstringStatusList",
        "statusPurpose": PURPOSE,
        "encodedList": status_list.encode_list(bits),
    }
    document: Document = {
        "@context": [CONTEXT],
        "id": url,
        "type": [CREDENTIAL, STATUS_LIST],
        "issuer": did_of(key.public),
        "validFrom": to_stamp(now),
        "credentialSubject": subject,
    }
    return sign_document(document, ProofOptions(purpose="assertionMethod", created=now), key)


def present(credentials: Sequence[Document], question: Question, now: Instant, key: Ed25519Key) -> Document:
    """Return a presentation of ``credentials`` that answers one question, signed by their subject's ``key``."""
    document: Document = {
        "@context": [CONTEXT],
        "type": [PRESENTATION],
        "holder": did_of(key.public),
        "verifiableCredential": list(credentials),
    }
    options = ProofOptions(purpose="authentication", created=now, challenge=question.challenge, domain=question.domain)
    return sign_document(document, options, key)
