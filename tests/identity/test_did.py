from __future__ import annotations

import base58
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from foedus.crypto.ed25519 import Ed25519Key
from foedus.identity.did import BadDid, did_of, key_of
from tests.vectors import load_vectors


@example(bytes(32))
@example(b"\xff" * 32)
@given(st.binary(min_size=32, max_size=32))
def test_a_did_names_its_key(public):
    did = did_of(public)
    assert did.startswith("did:key:z6Mk")
    assert len(did) == 56
    assert key_of(did) == public


@pytest.mark.parametrize("length", [0, 31, 33])
def test_a_key_of_another_length_has_no_did(length):
    with pytest.raises(ValueError, match="32 bytes"):
        did_of(bytes(length))


def test_what_is_not_the_did_of_an_ed25519_key_is_refused():
    good = did_of(bytes(32))
    x25519 = "did:key:z" + base58.b58encode(b"\xec\x01" + bytes(32)).decode()
    long = "did:key:z" + base58.b58encode(b"\xed\x01" + bytes(33)).decode()
    wrong = ["", good[:-1], good + "1", good + "\n", good.upper(), "did:web:x", good.replace("z6", "m6"), x25519, long]
    wrong += [good[:20] + "0" + good[21:], f"{good}#{good[8:]}", "did:key:z6Mk" + "z" * 43, "did:key:z6LS" + "z" * 44]
    for did in wrong:
        with pytest.raises(BadDid) as caught:
            key_of(did)
        assert caught.value.code == "bad_did"


@given(st.text(alphabet="123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz", min_size=44, max_size=44))
def test_each_key_has_exactly_one_did(tail):
    did = "did:key:z6Mk" + tail
    try:
        public = key_of(did)
    except BadDid:
        return
    assert did_of(public) == did


def test_the_vectors_of_the_did_key_method():
    cases = load_vectors("did-key/ed25519-x25519.json")
    assert cases
    for did, case in cases.items():
        pair = case["verificationKeyPair"]
        public = base58.b58decode(pair["publicKeyBase58"]) if "publicKeyBase58" in pair else key_of(did)
        assert Ed25519Key(bytes.fromhex(case["seed"])).public == public
        assert did_of(public) == did
        assert key_of(did) == public
