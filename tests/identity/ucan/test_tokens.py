"""What is read as a token, and what is not: one form, one algorithm, nothing unknown, everything bounded."""

from __future__ import annotations

import gc
import tracemalloc

import libipld
import pytest
from hypothesis import given
from hypothesis import strategies as st

from foedus.base.cbor import NotCanonical
from foedus.base.errors import PeerViolation
from foedus.crypto.ed25519 import verify
from foedus.identity.did import BadDid
from foedus.identity.ucan import (
    Link,
    check_invocation,
    cid_of,
    issue_delegation,
    issue_invocation,
    parse_delegation,
    parse_invocation,
)
from foedus.identity.ucan.chain import CHAIN_MAX
from foedus.identity.ucan.delegation import DELEGATION_BYTES_MAX
from foedus.identity.ucan.errors import (
    Expired,
    InvalidAudience,
    InvalidSignature,
    MalformedUcan,
    UnavailableProof,
)
from foedus.identity.ucan.ipld import decode, encode
from tests.identity.ucan.principals import ALICE, BOB, CAROL, DIDS, KEYS, NOW, grant, link

GRANT = grant(ALICE, BOB, policy=[["==", ".room", b"r" * 32]], not_before=NOW, meta={"why": "the treaty"})
PROOF = cid_of(GRANT)


def invocation(**changes):
    fields = {"subject": DIDS[ALICE], "command": "/msg/send", "arguments": {}, "proofs": [PROOF], "nonce": b"n" * 12}
    return issue_invocation(KEYS[BOB], **fields | {"expires": NOW + 60} | changes)


def signed(payload, *, tag="ucan/dlg@1.0.0", header="3401ed01ed011371", more=None):
    """Sign whatever it is as Alice would."""
    message = encode({"h": bytes.fromhex(header), tag: payload, **(more or {})})
    return encode([KEYS[ALICE].sign(message), decode(message)])


PAYLOAD = decode(GRANT)[1]["ucan/dlg@1.0.0"]


def changed(**changes):
    return signed({**PAYLOAD, **changes})


def without(name):
    return signed({key: value for key, value in PAYLOAD.items() if key != name})


def test_a_delegation_is_written_and_read():
    delegation = parse_delegation(GRANT)
    assert (delegation.data, delegation.cid) == (GRANT, PROOF)
    assert (delegation.issuer, delegation.audience, delegation.subject) == (DIDS[ALICE], DIDS[BOB], DIDS[ALICE])
    assert (delegation.command, delegation.policy.plain) == ("/msg", [["==", ".room", b"r" * 32]])
    assert (delegation.expires, delegation.not_before, delegation.meta) == (NOW + 60, NOW, {"why": "the treaty"})
    assert signed(PAYLOAD) == GRANT


def test_an_invocation_is_written_and_read():
    room = Link(cid_of(b"room"))
    arguments = {"room": room, "size": -(2**60), "data": room.cid, "deep": [[{"a": None}], True]}
    data = invocation(arguments=arguments, audience=DIDS[CAROL], issued_at=NOW, cause=b"\x12\x20" + bytes(32), meta={})
    parsed = parse_invocation(data)
    assert parsed.arguments == arguments
    assert (parsed.issuer, parsed.subject, parsed.audience) == (DIDS[BOB], DIDS[ALICE], DIDS[CAROL])
    assert (parsed.proofs, parsed.expires, parsed.issued_at) == ((PROOF,), NOW + 60, NOW)
    assert (parsed.cause, parsed.nonce, parsed.cid) == (b"\x12\x20" + bytes(32), b"n" * 12, cid_of(data))


def test_both_tags_are_read_and_the_first_is_written():
    assert b"ucan/dlg@1.0.0\xa9" in GRANT
    assert b"ucan/inv@1.0.0\xa7" in invocation()
    assert parse_delegation(signed(PAYLOAD, tag="ucan/dlg@1.0.0-rc.1")).command == "/msg"


@pytest.mark.parametrize(
    "tag", ["ucan/dlg@1.0.1", "ucan/dlg@1.0.0-rc.2", "ucan/inv@1.0.0", "ucan/dlg", "dlg@1.0.0", ""]
)
def test_other_tags_are_refused(tag):
    with pytest.raises(MalformedUcan):
        parse_delegation(signed(PAYLOAD, tag=tag))


@pytest.mark.parametrize(
    "header",
    [
        "",
        "3401ed01ed01135f",  # raw
        "3401ed01ed01130129",  # dag-json
        "3401ec0180241271",  # ES256
        "3401ec01e7011271",  # ES256K
        "340185241280027100",  # RS256
        "3400ed01ed011371",  # another version
        "ed01ed011371",
        "3401ed01ed01137100",
    ],
)
def test_no_other_algorithm_is_known(header):
    with pytest.raises(MalformedUcan):
        parse_delegation(signed(PAYLOAD, header=header))


def test_the_envelope_has_no_more_than_it_has():
    message = decode(GRANT)[1]
    signature = decode(GRANT)[0]
    for value in (
        [signature],
        [signature, message, 1],
        message,
        [message, signature],
        {"s": signature},
        [signature, 1],
    ):
        with pytest.raises(MalformedUcan):
            parse_delegation(encode(value))
    with pytest.raises(MalformedUcan):
        parse_delegation(signed(PAYLOAD, more={"x": 1}))
    with pytest.raises(MalformedUcan):
        parse_delegation(signed(PAYLOAD, more={"ucan/dlg@1.0.0-rc.1": PAYLOAD}))
    with pytest.raises(MalformedUcan):
        parse_delegation(encode([signature, {"ucan/dlg@1.0.0": PAYLOAD}]))


@pytest.mark.parametrize("name", ["aud", "sub", "cmd", "pol", "nonce", "exp", "iss"])
def test_no_field_may_be_missing(name):
    with pytest.raises(MalformedUcan):
        parse_delegation(without(name))


@pytest.mark.parametrize(
    "changes",
    [
        {"x": 1},
        {"prf": []},
        {"args": {}},
        {"aud": None},
        {"sub": 1},
        {"cmd": "/Msg"},
        {"cmd": None},
        {"pol": {}},
        {"pol": [["~", ".", 1]]},
        {"nonce": "text"},
        {"nonce": bytes(65)},
        {"exp": -1},
        {"exp": 2**53},
        {"exp": "1"},
        {"exp": True},
        {"nbf": None},
        {"nbf": "1"},
        {"meta": None},
        {"meta": []},
    ],
)
def test_no_field_may_be_strange(changes):
    with pytest.raises(MalformedUcan):
        parse_delegation(changed(**changes))


@pytest.mark.parametrize("did", ["did:web:example.com", "did:key:z6LS" + "1" * 44, "", DIDS[BOB] + "#key", "alice"])
def test_only_ed25519_keys_are_principals(did):
    for name in ("iss", "aud", "sub"):
        with pytest.raises(BadDid):
            parse_delegation(changed(**{name: did}))


def test_floats_are_read_but_never_written():
    map_bytes = libipld.encode_dag_cbor(decode(GRANT)[1] | {"ucan/dlg@1.0.0": PAYLOAD | {"pol": [["<", ".size", 1.5]]}})
    token = b"\x82\x58\x40" + KEYS[ALICE].sign(map_bytes) + map_bytes
    assert parse_delegation(token).policy.matches({"size": 1})
    with pytest.raises(ValueError, match="has no place"):
        grant(ALICE, BOB, policy=[["<", ".size", 1.5]])
    with pytest.raises(ValueError, match="has no place"):
        invocation(arguments={"a": [{"b": 1.5}]})


def test_what_is_issued_is_what_would_be_read():
    with pytest.raises(MalformedUcan):
        grant(ALICE, BOB, "/msg/")
    with pytest.raises(BadDid):
        issue_delegation(KEYS[ALICE], audience="bob", subject=None, command="/msg", policy=[], nonce=b"", expires=None)
    with pytest.raises(MalformedUcan):
        invocation(proofs=[PROOF] * (CHAIN_MAX + 1))
    with pytest.raises(MalformedUcan):
        invocation(proofs=[b"\x12\x20" + bytes(32)])


@pytest.mark.parametrize(
    "changes",
    [
        {"prf": [PROOF]},
        {"prf": [Link(b"\x01\x55" + PROOF[2:])]},
        {"prf": None},
        {"prf": [Link(PROOF)] * (CHAIN_MAX + 1)},
        {"args": []},
        {"iat": None},
        {"cause": PROOF},
        {"nbf": 1},
        {"sub": None},
        {"pol": []},
    ],
)
def test_an_invocation_has_no_strange_fields_either(changes):
    payload = decode(invocation())[1]["ucan/inv@1.0.0"] | {"iss": DIDS[ALICE]}
    parse_invocation(signed(payload, tag="ucan/inv@1.0.0"))
    with pytest.raises(MalformedUcan):
        parse_invocation(signed(payload | changes, tag="ucan/inv@1.0.0"))


def test_tokens_are_bounded():
    room = DELEGATION_BYTES_MAX - len(grant(ALICE, BOB, meta={"a": bytes(300)})) + 300
    assert len(grant(ALICE, BOB, meta={"a": bytes(room)})) == DELEGATION_BYTES_MAX
    with pytest.raises(MalformedUcan):
        grant(ALICE, BOB, meta={"a": bytes(room + 1)})


def test_one_kind_is_not_read_as_the_other():
    with pytest.raises(MalformedUcan):
        parse_invocation(GRANT)
    with pytest.raises(MalformedUcan):
        parse_delegation(invocation())


def test_somebody_elses_signature_is_refused():
    forged = signed({**PAYLOAD, "iss": DIDS[BOB]})
    with pytest.raises(InvalidSignature):
        parse_delegation(forged)
    assert not verify(*parse_delegation(forged, verify=False).signature_check)
    assert verify(*parse_delegation(GRANT, verify=False).signature_check)


@given(st.integers(0, len(GRANT) * 8 - 1))
def test_any_flipped_bit_is_refused(bit):
    data = bytearray(GRANT)
    data[bit // 8] ^= 1 << bit % 8
    with pytest.raises(PeerViolation):
        parse_delegation(bytes(data))


@given(st.binary(max_size=200))
def test_other_bytes_are_refused_as_a_peers_mistake(data):
    for parse in (parse_delegation, parse_invocation):
        for candidate in (data, GRANT[:70] + data, GRANT + data[:1]):
            if candidate != GRANT:
                with pytest.raises((MalformedUcan, NotCanonical, BadDid, InvalidSignature)):
                    parse(candidate)


def judge(data, proofs=(), **changes):
    held = {proof.cid: proof for proof in proofs}
    rest = {"proof": held.get, "now_s": NOW, "revoked": lambda _cid: False} | changes
    check_invocation(parse_invocation(data), **rest)


def test_an_invocation_is_for_its_audience_or_its_subject():
    proof = link(ALICE, BOB)
    to_carol, to_subject = invocation(proofs=[proof.cid], audience=DIDS[CAROL]), invocation(proofs=[proof.cid])
    judge(to_carol, [proof], executor=DIDS[CAROL])
    judge(to_subject, [proof], executor=DIDS[ALICE])
    judge(to_carol, [proof])
    for data, executor in ((to_carol, ALICE), (to_subject, CAROL), (to_carol, BOB)):
        with pytest.raises(InvalidAudience):
            judge(data, [proof], executor=DIDS[executor])


def test_an_invocation_ends_with_its_own_time():
    proof = link(ALICE, BOB)
    judge(invocation(proofs=[proof.cid]), [proof], now_s=NOW + 60)
    with pytest.raises(Expired):
        judge(invocation(proofs=[proof.cid], expires=NOW - 1), [proof])


def test_a_cited_proof_must_be_at_hand():
    with pytest.raises(UnavailableProof):
        judge(invocation(), [link(ALICE, BOB)])


@pytest.mark.parametrize("filling", [[], {}])
def test_a_delegation_takes_little_more_memory_than_its_bytes(filling):
    """Thousands of one node are held; parsed, each of these takes half a megabyte."""
    tokens = [
        grant(ALICE, BOB, policy=[["==", ".a", [filling] * 3_000]], meta={"a": [filling] * 3_000}) for _ in range(8)
    ]
    gc.collect()
    tracemalloc.start()
    held = [parse_delegation(token) for token in tokens]
    taken = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert taken < 2 * sum(len(token) for token in tokens)
    assert held[0].meta == {"a": [filling] * 3_000}
