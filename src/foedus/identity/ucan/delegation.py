"""Delegations: an issuer lets an audience do what a command names, to a subject, under a policy, for a time."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from msgspec import Struct

from foedus.crypto.ed25519 import Ed25519Key
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
from foedus.identity.ucan.policy import Policy, parse_policy

DELEGATION_BYTES_MAX = 16_384
"""Bytes of a delegation: a policy that a person can read has some hundred; a chain of eight fits one event's body."""
POLICIES_READ = 128
"""Policies that are kept as parsed: those of the acts at hand. At most 500 KB each, typically 3."""

_REQUIRED = frozenset({"iss", "aud", "sub", "cmd", "pol", "nonce", "exp"})
_OPTIONAL = frozenset({"nbf", "meta"})


class Delegation(Struct, frozen=True, eq=False):
    """A delegation and its bytes. Instants are seconds since 1970 UTC; ``cid`` has 36 bytes.

    ``subject`` None is a powerline: whatever the issuer may do, to anyone. ``expires`` None is never.
    ``signature_check`` holds or not: see ``parse_delegation``. ``policy`` and ``meta`` are read from the bytes again
    where they are asked for and not at hand: parsed they take up to eighty times the memory of their bytes, and
    whoever is connected may have this node hold thousands of delegations.
    """

    data: bytes
    cid: bytes
    issuer: str
    audience: str
    subject: str | None
    command: str
    nonce: bytes
    expires: int | None
    not_before: int | None
    signature_check: SignatureCheck

    @property
    def policy(self) -> Policy:
        """What the arguments must be like."""
        return _terms(self.data)[0]

    @property
    def meta(self) -> Mapping[str, Any]:
        """What the issuer says beside it."""
        return _terms(self.data)[1]


@lru_cache(maxsize=POLICIES_READ)
def _terms(data: bytes) -> tuple[Policy, Mapping[str, Any]]:
    """Return policy and meta of a delegation that was parsed before."""
    payload = open_token(data, "dlg", DELEGATION_BYTES_MAX).payload
    return parse_policy(payload["pol"]), map_in(payload, "meta")


def issue_delegation(  # noqa: PLR0913  # the fields of a delegation, each named by the caller
    key: Ed25519Key,
    *,
    audience: str,
    subject: str | None,
    command: str,
    policy: list[Any],
    nonce: bytes,
    expires: int | None,
    not_before: int | None = None,
    meta: Mapping[str, Any] | None = None,
) -> bytes:
    """Return a delegation signed by ``key``, whose did:key is the issuer.

    ``policy``: the plain list. ``nonce``: 12 or more random bytes. Instants are seconds since 1970 UTC.
    Raises what ``parse_delegation`` raises where a value is not what it should be, ValueError on floats.
    """
    payload: dict[str, Any] = {
        "aud": audience,
        "sub": subject,
        "cmd": command,
        "pol": policy,
        "nonce": nonce,
        "exp": expires,
    }
    payload |= {} if not_before is None else {"nbf": not_before}
    payload |= {} if meta is None else {"meta": dict(meta)}
    data = seal(key, "dlg", payload)
    parse_delegation(data, verify=False)
    return data


def parse_delegation(data: bytes, *, verify: bool = True) -> Delegation:
    """Return the delegation that ``data`` is: canonical, well formed, within the bounds and signed by its issuer.

    With ``verify=False`` the signature is left to the caller, who must check ``signature_check`` (for
    instance with ``crypto.ed25519.verify_many`` in a worker thread) before anything rests on the result.
    Raises NotCanonical, MalformedUcan, BadDid, InvalidSignature. Whether it is in force ``check_chain`` tells.
    """
    payload, check, cid = open_token(data, "dlg", DELEGATION_BYTES_MAX)
    require_keys(payload, _REQUIRED, _OPTIONAL)
    parse_policy(payload["pol"])
    map_in(payload, "meta")
    delegation = Delegation(
        data=data,
        cid=cid,
        issuer=payload["iss"],
        audience=did_in(payload, "aud"),
        subject=None if payload["sub"] is None else did_in(payload, "sub"),
        command=command_in(payload),
        nonce=nonce_in(payload),
        expires=seconds_in(payload, "exp", null=True),
        not_before=seconds_in(payload, "nbf", null=False),
        signature_check=check,
    )
    if verify:
        require_signature(check)
    return delegation
