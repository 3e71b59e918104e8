"""Why a credential or a presentation is not believed. Each reason has its own code."""

from __future__ import annotations

from foedus.base.errors import PeerViolation


class CredentialRefused(PeerViolation):
    """What was shown proves nothing here."""

    code = "bad_credential"
    remedy = "do not rely on it; ask whoever showed it for another"


class BadDocument(CredentialRefused):
    """The text is not the JSON of a credential: malformed, too large, too deep, or of a shape not known here."""

    code = "bad_document"
    remedy = "it must be a W3C Verifiable Credential 2.0 as `foedus credential issue` writes it"


class BadProof(CredentialRefused):
    """The signature does not hold: the document was changed, or signed by another key than it says."""

    code = "bad_proof"
    remedy = "do not rely on it: it was changed after it was signed, or never signed by whom it names"


class NotYet(CredentialRefused):
    """It begins to be valid later, or claims to have been signed in the future."""

    code = "credential_not_yet_valid"
    remedy = "wait until it is valid; if it is, set the clock that is wrong"


class Expired(CredentialRefused):
    """Its time is over."""

    code = "credential_expired"
    remedy = "ask its issuer for a new one"


class Revoked(CredentialRefused):
    """Its issuer took it back."""

    code = "credential_revoked"
    remedy = "do not rely on it; its issuer withdrew it"


class StatusUnknown(CredentialRefused):
    """Whether it is revoked cannot be told: its status list is missing, not the issuer's, or out of date."""

    code = "credential_status_unknown"
    remedy = "give its status list with --status FILE, or connect to the issuer's node"


class IssuerNotBelieved(CredentialRefused):
    """The issuer is not one whom this node believes in claims of this kind."""

    code = "issuer_not_believed"
    remedy = "if you believe this issuer in claims of this kind: `foedus credential trust ISSUER TYPE`"


class NotTheHolder(CredentialRefused):
    """Someone else shows it than the one it is about."""

    code = "not_the_holder"
    remedy = "only its subject may present it, signed with a key of theirs"


class WrongAudience(CredentialRefused):
    """The presentation answers another question: its challenge or domain is not the verifier's."""

    code = "wrong_challenge"
    remedy = "ask for a presentation made for your challenge and domain"
