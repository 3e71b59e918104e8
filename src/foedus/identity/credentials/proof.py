"""Data Integrity proofs of the cryptosuite eddsa-jcs-2022 (W3C Data Integrity EdDSA Cryptosuites 1.0, section 3.3).

What is signed are 64 bytes: SHA-256 of the proof's canonical options, then SHA-256 of the canonical document.
A signature of foedus itself begins with its label (``crypto.labels``), so neither can pass for the other.
"""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

import base58
from msgspec import Struct

from foedus.base.clock import Instant
from foedus.base.errors import PeerViolation
from foedus.base.ids import sha256
from foedus.crypto import ed25519
from foedus.crypto.ed25519 import SIGNATURE_BYTES, Ed25519Key
from foedus.identity.credentials.document import Document, canonical
from foedus.identity.credentials.errors import BadDocument, BadProof
from foedus.identity.credentials.instants import to_instant, to_stamp
from foedus.identity.did import did_of, key_of

CRYPTOSUITE = "eddsa-jcs-2022"
PROOF_VALUE_MAX = 89
"""Characters of a proof value: "z" and 64 bytes in base58; decoding grows with the square of the length."""

Purpose: TypeAlias = Literal["assertionMethod", "authentication"]

_TYPE = "DataIntegrityProof"
_DID_PREFIX = "did:key:"


class ProofOptions(Struct, frozen=True, kw_only=True):
    """What a proof says besides its signature. ``expires``, ``challenge`` and ``domain`` may be absent ('' or None)."""

    purpose: Purpose
    created: Instant
    expires: Instant | None = None
    challenge: str = ""
    domain: str = ""


class Proven(Struct, frozen=True):
    """A document whose signature holds, without its proof, and what the proof says. ``did``: of the signing key."""

    document: Document
    did: str
    purpose: str
    created: Instant | None
    expires: Instant | None
    challenge: str
    domain: str


def method_of(did: str) -> str:
    """Return the one verification method of a did:key."""
    return f"{did}#{did.removeprefix(_DID_PREFIX)}"


def sign_document(document: Document, options: ProofOptions, key: Ed25519Key) -> Document:
    """Return ``document`` with a proof by ``key``; raise BadDocument where it has one already, or no canonical form."""
    plain: Document = {
        "type": _TYPE,
        "cryptosuite": CRYPTOSUITE,
        "created": to_stamp(options.created),
        "verificationMethod": method_of(did_of(key.public)),
        "proofPurpose": options.purpose,
    }
    if options.expires is not None:
        plain["expires"] = to_stamp(options.expires)
    plain |= {name: value for name in ("challenge", "domain") if (value := getattr(options, name))}
    return add_proof(document, plain, key)


def add_proof(document: Document, options: Document, key: Ed25519Key) -> Document:
    """Return ``document`` with the proof of ``options`` (all members but @context and proofValue), as section 3.3.1."""
    if "proof" in document:
        raise BadDocument("it carries a proof already")
    proof = dict(options)
    if "@context" in document:
        proof["@context"] = document["@context"]
    signature = key.sign(signing_bytes(proof, document))
    return {**document, "proof": {**proof, "proofValue": "z" + base58.b58encode(signature).decode()}}


def signing_bytes(options: Document, document: Document) -> bytes:
    """Return the 64 bytes that are signed: of the proof's options, then of the document (section 3.3.4)."""
    return sha256(canonical(options)) + sha256(canonical(document))


def check_proof(secured: Document, purpose: Purpose) -> Proven:
    """Return what the one proof of ``secured`` proves; raise BadProof, or BadDocument where its shape is unknown.

    Times, challenge and domain are returned, not judged. Who the key's DID is, the caller must know.
    """
    document = {name: value for name, value in secured.items() if name != "proof"}
    proof = secured.get("proof")
    if isinstance(proof, list):
        raise BadProof("it carries a set of proofs; one is read here", code="several_proofs")
    if not isinstance(proof, dict):
        raise BadProof("it carries no proof", code="no_proof")
    _check_suite(proof, purpose)
    if "@context" in proof:
        document["@context"] = _signed_context(document.get("@context"), proof["@context"])
    did = _signer(proof.get("verificationMethod"))
    options = {name: value for name, value in proof.items() if name != "proofValue"}
    if not ed25519.verify(key_of(did), signing_bytes(options, document), _signature(proof.get("proofValue"))):
        raise BadProof("the signature does not hold")
    return Proven(
        document=document,
        did=did,
        purpose=purpose,
        created=_time(proof, "created"),
        expires=_time(proof, "expires"),
        challenge=_text(proof, "challenge"),
        domain=_text(proof, "domain"),
    )


def _check_suite(proof: Document, purpose: Purpose) -> None:
    if proof.get("type") != _TYPE or proof.get("cryptosuite") != CRYPTOSUITE:
        raise BadProof(f"its proof is not a {_TYPE} of {CRYPTOSUITE}", code="unknown_proof")
    if proof.get("proofPurpose") != purpose:
        raise BadProof(f"its proof was not made for {purpose}", code="wrong_purpose")
    if "previousProof" in proof:
        raise BadProof("its proof is one of a chain; one is read here", code="several_proofs")


def _signed_context(shown: Any, signed: Any) -> Any:
    """Return the signed contexts; raise BadProof unless those shown begin with them (section 3.3.2, step 4)."""
    shown, signed_list = _as_list(shown), _as_list(signed)
    if shown[: len(signed_list)] != signed_list:
        raise BadProof("its contexts are not those that were signed")
    return signed


def _as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _signer(method: Any) -> str:
    """Return the did:key of a verification method; only its own, ``did:key:X#X``, is one."""
    did = method.partition("#")[0] if isinstance(method, str) else ""
    try:
        key_of(did)
    except PeerViolation:
        did = ""
    if not did or method != method_of(did):
        raise BadProof("its verification method is not that of an Ed25519 did:key", code="unknown_method")
    return did


def _signature(value: Any) -> bytes:
    """Return the 64 bytes of a base58btc multibase value, of which each has exactly one form."""
    if isinstance(value, str) and value.startswith("z") and len(value) <= PROOF_VALUE_MAX:
        try:
            data = base58.b58decode(value[1:])
        except ValueError:
            data = b""
        if len(data) == SIGNATURE_BYTES:
            return data
    raise BadProof("its proof value is not a signature in base58btc")


def _time(proof: Document, name: str) -> Instant | None:
    return to_instant(proof[name]) if name in proof else None


def _text(proof: Document, name: str) -> str:
    value = proof.get(name, "")
    if not isinstance(value, str):
        raise BadDocument(f"the {name} of a proof is text")
    return value
