"""Revocations: the issuer of a link, or of one above it, takes the link back (UCAN Revocation).

A revocation is an invocation of ``/ucan/revoke`` in the name of the revoker itself. It is for ever; a
mistake is mended by a new delegation.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct

from foedus.crypto.ed25519 import Ed25519Key
from foedus.identity.did import did_of
from foedus.identity.ucan.delegation import Delegation
from foedus.identity.ucan.envelope import SignatureCheck
from foedus.identity.ucan.errors import MalformedUcan
from foedus.identity.ucan.invocation import Invocation, issue_invocation, link_of, links_of, parse_invocation
from foedus.identity.ucan.ipld import Link

REVOKE = "/ucan/revoke"

_REQUIRED = frozenset({"revoke"})
_OPTIONAL = frozenset({"path"})


class Revocation(Struct, frozen=True, eq=False):
    """A revocation and its bytes: ``issuer`` takes back the delegation whose CID is ``revoked`` (36 bytes).

    ``path``: CIDs of a chain that holds both, for readers that ask for it; ``revokes`` does not.
    """

    data: bytes
    cid: bytes
    issuer: str
    revoked: bytes
    path: tuple[bytes, ...]
    nonce: bytes
    signature_check: SignatureCheck


def issue_revocation(key: Ed25519Key, *, revoked: bytes, nonce: bytes, path: Sequence[bytes] = ()) -> bytes:
    """Return a revocation, signed by ``key``, of the delegation with the CID ``revoked`` (36 bytes).

    ``nonce`` may be empty: revoking twice is revoking. Raises what ``parse_revocation`` raises.
    """
    arguments: dict[str, Any] = {"revoke": Link(revoked)}
    if path:
        arguments["path"] = [Link(cid) for cid in path]
    data = issue_invocation(
        key,
        subject=did_of(key.public),
        command=REVOKE,
        arguments=arguments,
        proofs=(),
        nonce=nonce,
        expires=None,
    )
    parse_revocation(data, verify=False)
    return data


def parse_revocation(data: bytes, *, verify: bool = True) -> Revocation:
    """Return the revocation that ``data`` is; for ``verify=False`` and the errors see ``parse_invocation``.

    Whether its issuer may revoke that delegation ``revokes`` tells, given a chain that holds it.
    """
    invocation = parse_invocation(data, verify=verify)
    _check(invocation)
    return Revocation(
        data=data,
        cid=invocation.cid,
        issuer=invocation.issuer,
        revoked=link_of(invocation.arguments["revoke"]),
        path=links_of(invocation.arguments.get("path", [])),
        nonce=invocation.nonce,
        signature_check=invocation.signature_check,
    )


def revokes(revocation: Revocation, proofs: Sequence[Delegation]) -> bool:
    """Tell whether the revocation breaks this chain (root first): by the issuer of the revoked link or of one above."""
    for position, proof in enumerate(proofs):
        if proof.cid == revocation.revoked:
            return any(above.issuer == revocation.issuer for above in proofs[: position + 1])
    return False


def _check(invocation: Invocation) -> None:
    arguments: Mapping[str, Any] = invocation.arguments
    if invocation.command != REVOKE or not _REQUIRED <= arguments.keys() <= _REQUIRED | _OPTIONAL:
        raise MalformedUcan(f"a revocation invokes {REVOKE} with revoke, and perhaps path")
    if invocation.issuer != invocation.subject or invocation.proofs or invocation.expires is not None:
        raise MalformedUcan("a revocation is by its subject itself, without proofs, and for ever")
