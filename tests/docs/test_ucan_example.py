"""The example of a chain in docs/protocol.md: the page, an encoder of its own, and foedus agree on every byte."""

from __future__ import annotations

import re

import libipld
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from foedus.base.ids import sha256
from foedus.crypto.ed25519 import Ed25519Key
from foedus.identity.did import did_of
from foedus.identity.ucan import cid_text, issue_delegation, issue_invocation, issue_revocation, parse_delegation
from tests.docs.example import of
from tests.docs.pages import read, section

SECTION = "10. Tokens: UCAN 1.0"
END = 1767225600
ISSUER, AUDIENCE = Ed25519Key(of(5)), Ed25519Key(of(9))


def ours():
    """Return the example by foedus."""
    delegation = issue_delegation(
        ISSUER,
        audience=did_of(AUDIENCE.public),
        subject=did_of(ISSUER.public),
        command="/message",
        policy=[["==", ".room", of(7)]],
        nonce=of(10, 12),
        expires=END,
    )
    cid = parse_delegation(delegation).cid
    invocation = issue_invocation(
        AUDIENCE,
        subject=did_of(ISSUER.public),
        command="/message/text",
        arguments={"room": of(7)},
        proofs=[cid],
        nonce=of(11, 12),
        expires=END,
    )
    revocation = issue_revocation(ISSUER, revoked=cid, nonce=b"")
    return {
        "delegation": delegation.hex(),
        "CID": cid_text(cid),
        "invocation": invocation.hex(),
        "revocation": revocation.hex(),
    }


def token(seed, tag, payload):
    """Write a token by libraries alone. libipld makes links of bytes that look like a CID, which here is right."""
    signed = libipld.encode_dag_cbor({"h": bytes.fromhex("3401ed01ed011371"), tag: payload})
    return b"\x82\x58\x40" + Ed25519PrivateKey.from_private_bytes(seed).sign(signed) + signed


def theirs():
    """Return the example by what its words say."""
    issuer, audience = did_of(ISSUER.public), did_of(AUDIENCE.public)
    payload = {"iss": issuer, "aud": audience, "sub": issuer, "cmd": "/message", "exp": END}
    payload |= {"pol": [["==", ".room", of(7)]], "nonce": of(10, 12)}
    delegation = token(of(5), "ucan/dlg@1.0.0", payload)
    cid = bytes.fromhex("01711220") + sha256(delegation)
    payload = {"iss": audience, "sub": issuer, "cmd": "/message/text", "exp": END}
    payload |= {"args": {"room": of(7)}, "prf": [cid], "nonce": of(11, 12)}
    invocation = token(of(9), "ucan/inv@1.0.0", payload)
    payload = {"iss": issuer, "sub": issuer, "cmd": "/ucan/revoke", "exp": None}
    payload |= {"args": {"revoke": cid}, "prf": [], "nonce": b""}
    revocation = token(of(5), "ucan/inv@1.0.0", payload)
    return {
        "delegation": delegation.hex(),
        "CID": libipld.encode_cid(cid),
        "invocation": invocation.hex(),
        "revocation": revocation.hex(),
    }


@pytest.mark.parametrize("made", [ours, theirs])
def test_the_page_shows_the_tokens_that_its_words_give(made):
    text = re.search(r"```text\n(.*?)```", section(read("docs/protocol.md"), SECTION), re.DOTALL)[1]
    lines = text.replace("\n    ", "").splitlines()
    assert dict(line.split(": ") for line in lines) == made()
