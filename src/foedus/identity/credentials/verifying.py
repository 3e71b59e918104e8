"""Judging what is shown: whether it is whole, in force, not revoked, believed here, and shown by whom it is about.

Nothing is fetched. Each answer of no has its code (``errors``), and the first that applies is told, in this order:
shape, signature, issuer, time, belief, status, holder. What a credential proves gives no right and names nobody:
rights are grants, names are DIDs; the three are judged apart.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from msgspec import Struct

from foedus.base.clock import Instant
from foedus.base.limits import CLOCK_AHEAD_MAX, MINUTE
from foedus.crypto.compare import equal
from foedus.identity.credentials import status_list
from foedus.identity.credentials.credential import (
    PURPOSE,
    STATUS_LIST,
    Credential,
    check_contexts,
    did_in,
    read_credential,
)
from foedus.identity.credentials.document import Document
from foedus.identity.credentials.errors import (
    BadDocument,
    BadProof,
    Expired,
    IssuerNotBelieved,
    NotTheHolder,
    NotYet,
    Revoked,
    StatusUnknown,
    WrongAudience,
)
from foedus.identity.credentials.issuing import PRESENTATION, Question
from foedus.identity.credentials.proof import Proven, check_proof
from foedus.identity.credentials.register import IssuerRegister, SpeaksFor

CREDENTIALS_MAX = 16
"""Credentials in one presentation: each costs a signature check and a status list."""
PRESENTATION_AGE_MAX = 10 * MINUTE
"""Between the signing of a presentation and its verification: a person answers a challenge within minutes."""


def only_itself(key_did: str, named: str) -> bool:
    """Tell whether two DIDs are one: what holds where nothing is known of devices and epochs."""
    return key_did == named


class Judge(Struct, frozen=True, kw_only=True):
    """With what is judged. ``status_lists``: URL → the credential of the list, as it was fetched or given."""

    now: Instant
    register: IssuerRegister
    speaks_for: SpeaksFor = only_itself
    status_lists: Mapping[str, Document] = MappingProxyType({})


class StatusList(Struct, frozen=True):
    """A status list whose signature holds. ``issued_at``: a later one replaces it."""

    url: str
    issuer: str
    bits: bytes
    issued_at: Instant


class Presented(Struct, frozen=True):
    """What a presentation proves: credentials that ``holder`` holds. Their ``subject`` is the holder."""

    holder: str
    credentials: tuple[Credential, ...]


def verify_credential(secured: Document, judge: Judge) -> Credential:
    """Return the credential if all but its holder is proved; raise CredentialRefused, whose code says why not."""
    proven, credential = check_credential(secured)
    _check_times(credential, proven, judge.now)
    if not judge.register.believes(credential.issuer, credential.types, judge.speaks_for):
        raise IssuerNotBelieved(f"{credential.issuer} is not believed here in {', '.join(credential.types) or 'this'}")
    _check_status(credential, judge)
    return credential


def check_credential(secured: Document) -> tuple[Proven, Credential]:
    """Return what the issuer's signature proves; raise BadDocument or BadProof. Time and belief are not judged."""
    check_contexts(secured)
    proven = check_proof(secured, "assertionMethod")
    credential = read_credential(proven.document)
    if proven.did != credential.issuer:
        raise BadProof(f"{proven.did} signed it in the name of {credential.issuer}", code="wrong_issuer_key")
    return proven, credential


def verify_presentation(secured: Document, question: Question, judge: Judge) -> Presented:
    """Return what a presentation proves about its holder; raise CredentialRefused."""
    check_contexts(secured)
    types = secured.get("type")
    if PRESENTATION not in (types if isinstance(types, list) else [types]):
        raise BadDocument("it is not a presentation")
    proven = check_proof(secured, "authentication")
    check_contexts(proven.document)
    _check_answer(proven, question, judge.now)
    holder = did_in(secured.get("holder"))
    if holder != proven.did:
        raise NotTheHolder(f"{proven.did} signed it in the name of {holder}")
    shown = proven.document.get("verifiableCredential")
    if not isinstance(shown, list) or not 1 <= len(shown) <= CREDENTIALS_MAX:
        raise BadDocument(f"it must show 1 to {CREDENTIALS_MAX} credentials")
    if not all(isinstance(credential, dict) for credential in shown):
        raise BadDocument("what it shows are not credentials")
    return Presented(holder, tuple(_held(credential, holder, judge) for credential in shown))


def _held(secured: Document, holder: str, judge: Judge) -> Credential:
    credential = verify_credential(secured, judge)
    if not credential.subject or not judge.speaks_for(holder, credential.subject):
        raise NotTheHolder(f"it is about {credential.subject or 'nobody'}, and {holder} shows it")
    return credential


def _check_answer(proven: Proven, question: Question, now: Instant) -> None:
    """Raise unless the presentation was made for this question, just now."""
    if not question.challenge or not equal(proven.challenge.encode(), question.challenge.encode()):
        raise WrongAudience("it does not answer this challenge, or that was answered before")
    if proven.domain != question.domain:
        raise WrongAudience("it was made for somebody else", code="wrong_domain")
    if proven.created is None:
        raise BadDocument("a presentation says when it was made")
    if proven.created > now + CLOCK_AHEAD_MAX:
        raise NotYet("it was signed in the future")
    if now > min(proven.created + PRESENTATION_AGE_MAX, proven.expires or proven.created + PRESENTATION_AGE_MAX):
        raise Expired("it is too old", code="presentation_expired", remedy="present anew, for a fresh challenge")


def _check_times(credential: Credential, proven: Proven, now: Instant) -> None:
    """Raise NotYet or Expired. The end is exclusive; for the beginning another's clock may be 60 s ahead."""
    begins = [at for at in (credential.valid_from, proven.created) if at is not None]
    if any(at > now + CLOCK_AHEAD_MAX for at in begins):
        raise NotYet("it is not valid yet")
    if any(at is not None and at <= now for at in (credential.valid_until, proven.expires)):
        raise Expired("it has expired")


def _check_status(credential: Credential, judge: Judge) -> None:
    if credential.status is None:
        return
    given = judge.status_lists.get(credential.status.url)
    if given is None:
        raise StatusUnknown(f"its status list, {credential.status.url}, is not at hand, or older than one seen before")
    listed = read_status_list(given, credential.status.url, judge.now)
    if not (judge.speaks_for(listed.issuer, credential.issuer) or judge.speaks_for(credential.issuer, listed.issuer)):
        raise StatusUnknown("its status list was signed by somebody else", code="wrong_status_issuer")
    if status_list.is_set(listed.bits, credential.status.place):
        raise Revoked(f"{credential.id or 'it'} was revoked by its issuer")


def read_status_list(secured: Document, url: str, now: Instant) -> StatusList:
    """Return the list at ``url`` that ``secured`` proves; raise CredentialRefused. Whose it is, the caller judges."""
    proven, credential = check_credential(secured)
    _check_times(credential, proven, now)
    subject = credential.claims
    if STATUS_LIST not in credential.types or credential.id != url or subject.get("type") != "BitstringStatusList":
        raise StatusUnknown(f"it is not the status list {url[:200]}", code="bad_status_list")
    if subject.get("statusPurpose") != PURPOSE or subject.get("statusSize", 1) != 1:
        raise StatusUnknown("it is not a list of revocations", code="bad_status_list")
    bits = status_list.decode_list(subject.get("encodedList"))
    return StatusList(url, credential.issuer, bits, credential.valid_from or 0)
