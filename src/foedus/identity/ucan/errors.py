"""Why a UCAN is refused. The classes are named as the specification's fixtures name them."""

from __future__ import annotations

from foedus.base.errors import PeerViolation, Unavailable


class UcanRefused(PeerViolation):
    """A UCAN does not show what it was sent to show. Raised as one of the classes below."""

    code = "ucan_refused"
    http_status = 403
    remedy = "send a chain of delegations, root first, that covers the command, its arguments and the present time"


class MalformedUcan(UcanRefused):
    """The bytes are canonical and no UCAN 1.0 of the kind that was expected, or exceed a bound."""

    code = "ucan_malformed"
    http_status = 400
    remedy = "compare the token with the UCAN section of docs/protocol.md"


class InvalidClaim(UcanRefused):
    """What is claimed does not follow from the proofs, or from none."""

    code = "ucan_invalid_claim"


class InvalidSignature(UcanRefused):
    """The token is not signed by its issuer."""

    code = "ucan_invalid_signature"
    remedy = "fetch the token again from its issuer; if this repeats, something between changes it"


class InvalidAudience(UcanRefused):
    """A token was issued by somebody else than the one to whom the token before it delegates."""

    code = "ucan_invalid_audience"


class InvalidSubject(UcanRefused):
    """A proof is about another subject."""

    code = "ucan_invalid_subject"


class InvalidCommand(UcanRefused):
    """A proof does not cover the command of the token after it."""

    code = "ucan_invalid_command"


class MatchError(UcanRefused):
    """The arguments do not match the policy of a proof."""

    code = "ucan_policy_mismatch"


class Expired(UcanRefused):
    """A token's time is over."""

    code = "ucan_expired"
    remedy = "ask the issuer for a new grant"


class TooEarly(UcanRefused):
    """A token's time has not begun."""

    code = "ucan_too_early"
    remedy = "wait until the grant begins; if it should have begun, compare the clocks"


class Revoked(UcanRefused):
    """A proof was revoked."""

    code = "ucan_revoked"
    remedy = "ask the issuer for a new grant"


class Replayed(UcanRefused):
    """A single-use invocation came a second time."""

    code = "ucan_replayed"
    remedy = "issue a new invocation with a new nonce for each use"


class UnavailableProof(UcanRefused):
    """A proof that the invocation cites is not here."""

    code = "ucan_unavailable_proof"
    remedy = "send the cited delegations along with the invocation"


class TooManyInvocations(Unavailable):
    """More single-use invocations wait for their expiry than are remembered."""

    code = "ucan_too_many_invocations"
    http_status = 429
    remedy = "invoke less often, or with earlier expiry"
