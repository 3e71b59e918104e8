"""Tokens of iso-ucan are judged here as there, and ours there as here."""

from __future__ import annotations

import base64
import time

import pytest

from foedus.base.ids import sha256
from foedus.crypto.ed25519 import Ed25519Key
from foedus.identity.did import did_of
from foedus.identity.ucan import (
    check_invocation,
    cid_text,
    issue_delegation,
    issue_invocation,
    parse_delegation,
    parse_invocation,
)
from foedus.identity.ucan.errors import InvalidSignature, MatchError
from tests.identity.ucan.iso_ucan import exchange

pytestmark = pytest.mark.slow

ALICE, BOB, CAROL = (Ed25519Key(sha256(name)) for name in (b"alice", b"bob", b"carol"))
DIDS = [did_of(key.public) for key in (ALICE, BOB, CAROL)]
NOW = int(time.time())
ROOM = bytes([1, 113, 18, 32]) + bytes(32)  # looks like a CID and is none


def to_text(data):
    return base64.b64encode(data).decode()


def to_bytes(text):
    return base64.b64decode(text)


def allow(invocation, proofs):
    held = {proof.cid: proof for proof in proofs}
    check_invocation(invocation, proof=held.get, now_s=NOW, revoked=lambda _cid: False, executor=DIDS[1], foreign=False)


@pytest.fixture(scope="module")
def theirs():
    seeds = [to_text(key.seed) for key in (ALICE, BOB, CAROL)]
    return exchange({"do": "issue", "seeds": seeds, "expires": NOW + 3_600, "notBefore": NOW - 60})


def test_their_tokens_hold_here(theirs):
    proofs = [parse_delegation(to_bytes(proof["data"])) for proof in theirs["proofs"]]
    invocation = parse_invocation(to_bytes(theirs["invocation"]["data"]))
    assert [cid_text(proof.cid) for proof in proofs] == [proof["cid"] for proof in theirs["proofs"]]
    assert cid_text(invocation.cid) == theirs["invocation"]["cid"]
    assert invocation.proofs == tuple(proof.cid for proof in proofs)
    assert proofs[0].meta == {"note": "from the other side", "numbers": [0, -1, 1.5, 2**40], "nothing": None}
    assert (proofs[0].not_before, proofs[1].subject, invocation.issued_at) == (NOW - 60, None, NOW - 60)
    assert invocation.arguments["room"] == ROOM
    allow(invocation, proofs)


def test_a_changed_token_of_theirs_is_refused(theirs):
    changed = bytearray(to_bytes(theirs["invocation"]["data"]))
    changed[changed.index(b"/msg/send") + 1] ^= 1
    with pytest.raises(InvalidSignature):
        parse_invocation(bytes(changed))


def our_proofs():
    root = issue_delegation(
        ALICE,
        audience=DIDS[1],
        subject=DIDS[0],
        command="/msg",
        policy=[["==", ".room", ROOM], ["any", ".to", ["like", ".", "*@example.com"]]],
        nonce=b"n" * 12,
        expires=NOW + 3_600,
        not_before=NOW - 60,
        meta={"note": "von hüben", "list": [None, True, -(2**40)]},
    )
    following = issue_delegation(
        BOB,
        audience=DIDS[2],
        subject=DIDS[0],
        command="/msg/send",
        policy=[["<=", ".size", 11]],
        nonce=b"m" * 12,
        expires=None,
    )
    return [root, following]


def our_invocation(proofs, size):
    return issue_invocation(
        CAROL,
        subject=DIDS[0],
        audience=DIDS[1],
        command="/msg/send",
        arguments={"room": ROOM, "to": ["x", "bob@example.com"], "size": size},
        proofs=[parse_delegation(proof).cid for proof in proofs],
        nonce=b"o" * 12,
        expires=NOW + 3_600,
        issued_at=NOW,
    )


def test_our_tokens_are_judged_there_as_here():
    proofs = our_proofs()
    good, too_large = our_invocation(proofs, 11), our_invocation(proofs, 12)
    forged = bytearray(good)
    forged[10] ^= 1
    case = {"executor": to_text(BOB.seed), "proofs": [to_text(proof) for proof in proofs]}
    tokens = {"good": good, "too_large": too_large, "forged": bytes(forged)}
    cases = [{**case, "invocation": to_text(token)} for token in tokens.values()]
    answers = dict(zip(tokens, exchange({"do": "judge", "cases": cases}), strict=True))

    parsed = [parse_delegation(proof) for proof in proofs]
    allow(parse_invocation(good), parsed)
    cid = cid_text(parse_invocation(good).cid)
    assert answers["good"] == {"cid": cid, "command": "/msg/send", "issuer": DIDS[2], "size": 11}
    with pytest.raises(MatchError):
        allow(parse_invocation(too_large), parsed)
    assert "policy" in answers["too_large"]["refused"]
    with pytest.raises(InvalidSignature):
        parse_invocation(bytes(forged))
    assert "signature" in answers["forged"]["refused"]
