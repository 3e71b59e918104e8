"""What goes wrong between a program and its node, in the three families of ``base.errors``."""

from __future__ import annotations

from http import HTTPStatus

import msgspec

from foedus.base.errors import FoedusError, NotFound, PeerViolation, Unavailable, UsageError


class BadAnswer(Unavailable):
    """The node answered something that this version does not understand."""

    code = "bad_answer"
    http_status = 502
    remedy = "run the node and this program with the same version of foedus"


class NoAnswer(Unavailable):
    """The node did not answer. What was asked for may have happened."""

    code = "no_answer"
    remedy = "look whether the node runs (`foedus status`) and whether the URL is right"


class StreamLost(Unavailable):
    """A stream ended before it was finished."""

    code = "stream_lost"
    remedy = "open it again, after the last cursor"


class NoDevice(UsageError):
    """What was asked for needs the key of a person or agent, and the client has none."""

    code = "no_device"
    remedy = "give the client a device: foedus.sdk.Device.open(folder, name, passphrase)"


VIOLATIONS = frozenset(
    {
        "agreement_refused",
        "bad_credential",
        "bad_did",
        "bad_document",
        "bad_evidence",
        "bad_handshake",
        "bad_http_signature",
        "bad_identity_record",
        "bad_key",
        "bad_manifest",
        "bad_proof",
        "bad_vote",
        "credential_expired",
        "credential_not_yet_valid",
        "credential_revoked",
        "credential_status_unknown",
        "credit_overrun",
        "invalid_signature",
        "issuer_not_believed",
        "late",
        "malformed_call",
        "malformed_event",
        "malformed_query",
        "malformed_reach",
        "malformed_result",
        "malformed_sketch",
        "malformed_vector",
        "non_canonical",
        "not_authentic",
        "not_the_holder",
        "proof_failed",
        "superseded",
        "too_many_chains",
        "too_many_frames",
        "too_many_identity_records",
        "ucan_expired",
        "ucan_invalid_audience",
        "ucan_invalid_claim",
        "ucan_invalid_command",
        "ucan_invalid_signature",
        "ucan_invalid_subject",
        "ucan_malformed",
        "ucan_policy_mismatch",
        "ucan_refused",
        "ucan_replayed",
        "ucan_revoked",
        "ucan_too_early",
        "ucan_unavailable_proof",
        "unexpected_chunk",
        "unexpected_frame",
        "violation",
        "wrong_challenge",
    }
)
"""Codes by which a node says that what another one sent is at fault: a problem's JSON does not name its family."""


class _Problem(msgspec.Struct):
    code: str
    message: str = ""
    remedy: str = ""


def error_of(status: int, data: bytes) -> FoedusError:
    """Return the error that a node told, in its family, with its code, its remedy and its HTTP status."""
    try:
        told = msgspec.json.decode(data, type=_Problem)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return BadAnswer(f"the node answered with status {status}")
    family = _family(status, told.code)
    return family(told.message, code=told.code, remedy=told.remedy, http_status=status)


def _family(status: int, code: str) -> type[FoedusError]:
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return Unavailable
    if status == HTTPStatus.NOT_FOUND:
        return NotFound
    return PeerViolation if code in VIOLATIONS else UsageError
