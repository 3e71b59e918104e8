"""Invocations: a claim to do something now, with the delegations that allow it cited by their CIDs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from msgspec import Struct

from foedus.crypto.ed25519 import Ed25519Key
from foedus.identity.ucan.chain import CHAIN_MAX, check_chain, check_in_time
from foedus.identity.ucan.delegation import Delegation
from foedus.identity.ucan.envelope import (
    SignatureCheck,
    command_in,
    did_in,
    map_in,
    nonce_in,
    open_token,
    require_keys,
    require_signature,
    seal,
    seconds_in,
)
from foedus.identity.ucan.errors import InvalidAudience, MalformedUcan, UnavailableProof
from foedus.identity.ucan.ipld import Link, cid_text, is_token_cid

INVOCATION_BYTES_MAX = 65_536
"""Bytes of an invocation: as an event, whose arguments it may carry."""

_REQUIRED = frozenset({"iss", "sub", "cmd", "args", "prf", "nonce", "exp"})
_OPTIONAL = frozenset({"aud", "meta", "iat", "cause"})


class Invocation(Struct, frozen=True, eq=False):
    """An invocation and its bytes. Instants are seconds since 1970 UTC; CIDs have 36 bytes.

    ``proofs`` are CIDs, root first. ``audience`` None: the subject is to execute it. ``cause``: the CID
    of what made the issuer ask, of any form.
    """

    data: bytes
    cid: bytes
    issuer: str
    subject: str
    audience: str | None
    command: str
    arguments: Mapping[str, Any]
    proofs: tuple[bytes, ...]
    nonce: bytes
    expires: int | None
    issued_at: int | None
    cause: bytes | None
    meta: Mapping[str, Any]
    signature_check: SignatureCheck


def issue_invocation(  # noqa: PLR0913  # the fields of an invocation, each named by the caller
    key: Ed25519Key,
    *,
    subject: str,
    command: str,
    arguments: Mapping[str, Any],
    proofs: Sequence[bytes],
    nonce: bytes,
    expires: int | None,
    audience: str | None = None,
    issued_at: int | None = None,
    cause: bytes | None = None,
    meta: Mapping[str, Any] | None = None,
) -> bytes:
    """Return an invocation signed by ``key``; ``proofs`` are the CIDs of the delegations, root first.

    ``nonce``: 12 or more random bytes. Instants are seconds since 1970 UTC. Raises what
    ``parse_invocation`` raises where a value is not what it should be, ValueError on floats.
    """
    payload: dict[str, Any] = {
        "sub": subject,
        "cmd": command,
        "args": dict(arguments),
        "prf": [Link(cid) for cid in proofs],
        "nonce": nonce,
        "exp": expires,
    }
    optional = {
        "aud": audience,
        "iat": issued_at,
        "cause": None if cause is None else Link(cause),
        "meta": None if meta is None else dict(meta),
    }
    payload |= {name: value for name, value in optional.items() if value is not None}
    data = seal(key, "inv", payload)
    parse_invocation(data, verify=False)
    return data


def parse_invocation(data: bytes, *, verify: bool = True) -> Invocation:
    """Return the invocation that ``data`` is: canonical, well formed, within the bounds and signed by its issuer.

    ``verify=False`` as in ``parse_delegation``. Raises NotCanonical, MalformedUcan, BadDid,
    InvalidSignature. Whether its proofs allow it ``check_invocation`` tells.
    """
    payload, check, cid = open_token(data, "inv", INVOCATION_BYTES_MAX)
    require_keys(payload, _REQUIRED, _OPTIONAL)
    invocation = Invocation(
        data=data,
        cid=cid,
        issuer=payload["iss"],
        subject=did_in(payload, "sub"),
        audience=None if payload.get("aud") is None else did_in(payload, "aud"),
        command=command_in(payload),
        arguments=map_in(payload, "args"),
        proofs=links_of(payload["prf"]),
        nonce=nonce_in(payload),
        expires=seconds_in(payload, "exp", null=True),
        issued_at=seconds_in(payload, "iat", null=False),
        cause=_cause(payload),
        meta=map_in(payload, "meta"),
        signature_check=check,
    )
    if verify:
        require_signature(check)
    return invocation


def check_invocation(
    invocation: Invocation,
    *,
    proof: Callable[[bytes], Delegation | None],
    now_s: int,
    revoked: Callable[[bytes], bool],
    executor: str | None = None,
    foreign: bool = True,
) -> None:
    """Return if the invocation is in force and its proofs allow it.

    ``proof`` gives the delegation (its signature checked) of a CID, or None. ``executor``: who is asked
    to do it, and must be the audience, or the subject where none is named; None: not looked at. For the rest see
    ``check_chain``. Raises what that does, and UnavailableProof. Next, where it counts once: ``NonceBook.spend``.
    """
    if executor is not None and executor != (invocation.audience or invocation.subject):
        raise InvalidAudience(f"the invocation is meant for {invocation.audience or invocation.subject}")
    check_in_time(invocation.expires, None, now_s)
    check_chain(
        [_found(cid, proof(cid)) for cid in invocation.proofs],
        issuer=invocation.issuer,
        subject=invocation.subject,
        command=invocation.command,
        arguments=invocation.arguments,
        now_s=now_s,
        revoked=revoked,
        foreign=foreign,
    )


def links_of(value: object) -> tuple[bytes, ...]:
    """Return the CIDs of a list of links to tokens; raise MalformedUcan where it is none or too long."""
    if not isinstance(value, list) or len(value) > CHAIN_MAX:
        raise MalformedUcan(f"proofs are a list of at most {CHAIN_MAX} links")
    return tuple(link_of(item) for item in value)


def link_of(value: object) -> bytes:
    """Return the CID of a link to a token; raise MalformedUcan where it is none."""
    if not isinstance(value, Link) or not is_token_cid(value.cid):
        raise MalformedUcan("a token is named by a link: CIDv1, dag-cbor, sha2-256")
    return value.cid


def _cause(payload: Mapping[str, Any]) -> bytes | None:
    cause = payload.get("cause")
    if cause is not None and not isinstance(cause, Link):
        raise MalformedUcan("the cause is a link")
    return None if cause is None else cause.cid


def _found(cid: bytes, delegation: Delegation | None) -> Delegation:
    if delegation is None:
        raise UnavailableProof(f"the proof {cid_text(cid)} is not here")
    return delegation
