"""What a credential says: the shape of the W3C Verifiable Credentials Data Model 2.0, as far as foedus reads it.

Read are credentials with one subject and an Ed25519 did:key as issuer, in contexts whose terms are known here: a
context may give any member another meaning, and none is ever fetched.
"""

from __future__ import annotations

import re
from typing import Any, Final, NamedTuple

from msgspec import Struct

from foedus.base.clock import Instant
from foedus.base.errors import PeerViolation
from foedus.identity.credentials.document import Document
from foedus.identity.credentials.errors import BadDocument
from foedus.identity.credentials.instants import to_instant
from foedus.identity.did import key_of

CONTEXT: Final = "https://www.w3.org/ns/credentials/v2"
TERMS: Final = "https://www.w3.org/ns/credentials/undefined-terms/v2"
"""Gives every term that the first does not define a name: claims of foedus need no context of their own."""
KNOWN_CONTEXTS = frozenset({CONTEXT, TERMS})
CREDENTIAL: Final = "VerifiableCredential"
VOUCH: Final = "FoedusVouch"
"""The kind of claim that `foedus vouch` makes: the issuer stands up for the subject, in a sentence."""
STATUS_LIST: Final = "BitstringStatusListCredential"
TYPES_MAX = 8
"""Types of one credential beside VerifiableCredential: each must be believed."""
URL_MAX = 512
"""Characters of an id or URL in a credential."""
PURPOSE: Final = "revocation"

_TYPE = re.compile(r"[A-Za-z][A-Za-z0-9]{0,63}")
_INDEX = re.compile(r"0|[1-9][0-9]{0,7}")
_ENTRY = "BitstringStatusListEntry"


class StatusEntry(NamedTuple):
    """Where to see whether a credential is revoked: the URL of the list's credential, and the place in it."""

    url: str
    place: int


class Credential(Struct, frozen=True, kw_only=True):
    """What an unsecured credential says. ``types``: without VerifiableCredential. DIDs are did:key texts."""

    id: str
    types: tuple[str, ...]
    issuer: str
    subject: str
    claims: Document
    valid_from: Instant | None
    valid_until: Instant | None
    status: StatusEntry | None


def read_credential(document: Document) -> Credential:
    """Return what ``document`` (its proof is not looked at) says; raise BadDocument. Nothing is verified."""
    check_contexts(document)
    subject = document.get("credentialSubject")
    if not isinstance(subject, dict):
        raise BadDocument("it must have one credentialSubject")
    return Credential(
        id=text_of(document, "id"),
        types=_types(document),
        issuer=did_in(document.get("issuer")),
        subject=text_of(subject, "id"),
        claims={name: value for name, value in subject.items() if name != "id"},
        valid_from=_time(document, "validFrom"),
        valid_until=_time(document, "validUntil"),
        status=_status(document.get("credentialStatus")),
    )


def check_contexts(document: Document) -> None:
    """Raise BadDocument unless the contexts begin with that of VC 2.0, and all are known here."""
    contexts = document.get("@context")
    if not isinstance(contexts, list) or not contexts or contexts[0] != CONTEXT:
        raise BadDocument(f"its first @context must be {CONTEXT}", code="unknown_context")
    for context in contexts:
        if not isinstance(context, str) or context not in KNOWN_CONTEXTS:
            raise BadDocument(f"its @context {str(context)[:80]!r} is not known here", code="unknown_context")


def is_type(text: str) -> bool:
    """Tell whether ``text`` may name a kind of claim: letters and digits, 64 at most."""
    return _TYPE.fullmatch(text) is not None and text not in {CREDENTIAL, STATUS_LIST}


def did_in(value: Any) -> str:
    """Return the did:key of an issuer or holder, which may be a map with an id; raise BadDocument."""
    did = value.get("id") if isinstance(value, dict) else value
    try:
        key_of(did if isinstance(did, str) else "")
    except PeerViolation as error:
        raise BadDocument(f"its issuer or holder: {error}", code="bad_did") from None
    return str(did)


def text_of(value: Document, name: str) -> str:
    """Return the text that ``name`` is, '' where it is absent; raise BadDocument where it is too long or no text."""
    text = value.get(name, "")
    if not isinstance(text, str) or len(text) > URL_MAX:
        raise BadDocument(f"its {name} is a text of at most {URL_MAX} characters")
    return text


def _types(document: Document) -> tuple[str, ...]:
    types = document.get("type")
    types = [types] if isinstance(types, str) else types
    if not isinstance(types, list) or CREDENTIAL not in types or len(types) > TYPES_MAX + 1:
        raise BadDocument(f"its type names {CREDENTIAL} and at most {TYPES_MAX} others")
    if not all(isinstance(name, str) and _TYPE.fullmatch(name) for name in types):
        raise BadDocument("its types are names of letters and digits")
    return tuple(name for name in types if name != CREDENTIAL)


def _time(document: Document, name: str) -> Instant | None:
    return to_instant(document[name]) if name in document else None


def _status(entry: Any) -> StatusEntry | None:
    """Return where the revocation is told; what cannot be judged here is refused, never taken for unrevoked."""
    if entry is None:
        return None
    if not isinstance(entry, dict) or entry.get("type") != _ENTRY or entry.get("statusPurpose") != PURPOSE:
        raise BadDocument(f"its status is not one {_ENTRY} for {PURPOSE}", code="unknown_status")
    if entry.get("statusSize", 1) != 1:
        raise BadDocument("its status has more than one bit", code="unknown_status")
    index, url = entry.get("statusListIndex"), text_of(entry, "statusListCredential")
    if not isinstance(index, str) or _INDEX.fullmatch(index) is None or not url:
        raise BadDocument("its status names a place in a list", code="unknown_status")
    return StatusEntry(url, int(index))


def plain_status(status: StatusEntry) -> Document:
    """Return the member ``credentialStatus``."""
    return {
        "id": f"{status.url}#{status.place}",
        "type": _ENTRY,
        "statusPurpose": PURPOSE,
        "statusListIndex": str(status.place),
        "statusListCredential": status.url,
    }
