from __future__ import annotations

import base64
import hashlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nacl.signing import SigningKey

from foedus.base.limits import HTTP_NONCE_KEPT, SECOND
from foedus.crypto.ed25519 import Ed25519Key
from foedus.sync import http_signature
from foedus.sync.http_signature import (
    BadHttpSignature,
    NonceWindow,
    Signer,
    Target,
    content_digest,
    sign_request,
    sign_response,
    verify_request,
    verify_response,
)
from tests.sync.nodes import NOW, seed

EPOCH, NODE, NONCE = seed("epoch"), seed("node"), bytes(range(16))
KEY = Ed25519Key(seed("key"))
SIGNER = Signer(EPOCH, KEY)
TARGET = Target("POST", "https://b.example:8102/api/federation/events?since=1", NODE)
BODY = b'{"some": "body"}'


def key_of(epoch):
    return KEY.public if epoch == EPOCH else None


def check(headers, target=TARGET, body=BODY, now=NOW):
    return verify_request(target, headers, body, key_of, now)


def test_a_hand_worked_request():
    """The signature base is written out here, and signed by another path than the module's."""
    digest = "sha-256=:" + base64.b64encode(hashlib.sha256(BODY).digest()).decode() + ":"
    parameters = (
        '("@method" "@target-uri" "content-digest" "foedus-to");created=1700000000;nonce="AAECAwQFBgcICQoLDA0ODw==";'
        f'keyid="{EPOCH.hex()}";alg="ed25519";tag="foedus"'
    )
    base = "\n".join(
        [
            '"@method": POST',
            '"@target-uri": https://b.example:8102/api/federation/events?since=1',
            f'"content-digest": {digest}',
            f'"foedus-to": {NODE.hex()}',
            f'"@signature-params": {parameters}',
        ]
    )
    signature = SigningKey(KEY.seed).sign(b"foedus/http/1\0" + base.encode()).signature
    by_hand = {
        "Content-Digest": digest,
        "Foedus-To": NODE.hex(),
        "Signature-Input": "foedus=" + parameters,
        "Signature": "foedus=:" + base64.b64encode(signature).decode() + ":",
    }
    assert sign_request(TARGET, BODY, SIGNER, NONCE, NOW) == by_hand
    assert check(by_hand) == (EPOCH, NONCE, NOW // SECOND * SECOND)


def test_the_digest_is_that_of_rfc_9530():
    # RFC 9530 appendix B.1, the representation {"hello": "world"} with its line feed
    assert content_digest(b'{"hello": "world"}\n') == "sha-256=:RK/0qy18MlBSVnWgjwz6lZEWjP/lF5HF9bvEF8FabDg=:"


def test_header_names_compare_without_case():
    headers = sign_request(TARGET, BODY, SIGNER, NONCE, NOW)
    assert check({name.upper(): value for name, value in headers.items()}).epoch == EPOCH
    with pytest.raises(BadHttpSignature, match="twice"):
        check({**headers, "signature": headers["Signature"]})


HEADERS = sign_request(TARGET, BODY, SIGNER, NONCE, NOW)


@settings(max_examples=400)
@given(st.data())
def test_a_changed_character_in_any_covered_part_is_refused(data):
    name = data.draw(st.sampled_from(["method", "uri", "node", "body", *HEADERS]))
    parts = {"method": TARGET.method, "uri": TARGET.uri, "node": NODE.decode("latin-1"), "body": BODY.decode()}
    text = parts[name] if name in parts else HEADERS[name]
    position = data.draw(st.integers(0, len(text) - 1))
    other = data.draw(st.characters(codec="latin-1").filter(lambda c: c != text[position]))
    changed = text[:position] + other + text[position + 1 :]
    headers = HEADERS if name in parts else {**HEADERS, name: changed}
    parts = {**parts, name: changed}
    target = Target(parts["method"], parts["uri"], parts["node"].encode("latin-1"))
    with pytest.raises(BadHttpSignature):
        check(headers, target, parts["body"].encode())


@pytest.mark.parametrize("name", sorted(HEADERS))
@pytest.mark.parametrize(
    "change", [lambda v: v + " ", lambda v: " " + v, lambda v: v + "\n", lambda v: v + ", " + v, lambda _: ""]
)
def test_other_spellings_and_missing_headers_are_refused(name, change):
    with pytest.raises(BadHttpSignature):
        check({**HEADERS, name: change(HEADERS[name])})
    with pytest.raises(BadHttpSignature, match="missing"):
        check({other: value for other, value in HEADERS.items() if other != name})


def test_every_other_base64_of_the_signature_is_refused():
    text = HEADERS["Signature"]
    last = text[-4]
    for digit in "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/":
        if digit != last:
            with pytest.raises(BadHttpSignature):
                check({**HEADERS, "Signature": text[:-4] + digit + text[-3:]})


def test_a_minute_of_clock_difference_is_borne():
    created = NOW // SECOND * SECOND
    for now in (created - 60 * SECOND, created + 60 * SECOND):
        assert check(HEADERS, now=now).created == created
    for now in (created - 60 * SECOND - 1, created + 60 * SECOND + 1):
        with pytest.raises(BadHttpSignature, match="too long ago"):
            check(HEADERS, now=now)


def test_an_unknown_epoch_and_another_key_are_refused():
    with pytest.raises(BadHttpSignature, match="keyid"):
        verify_request(TARGET, HEADERS, BODY, lambda _epoch: None, NOW)
    with pytest.raises(BadHttpSignature, match="does not hold"):
        verify_request(TARGET, HEADERS, BODY, lambda _epoch: seed("other key"), NOW)


def test_a_request_for_another_node_is_refused():
    with pytest.raises(BadHttpSignature, match="another node"):
        check(HEADERS, TARGET._replace(node=seed("other")))


def test_a_uri_that_is_no_line_is_refused():
    with pytest.raises(BadHttpSignature):
        check(HEADERS, TARGET._replace(uri="https://b.example/\n\udc80"))
    with pytest.raises(ValueError, match="ASCII"):
        sign_request(TARGET._replace(uri="https://b.example/ä"), BODY, SIGNER, NONCE, NOW)
    with pytest.raises(ValueError, match="nonce"):
        sign_request(TARGET, BODY, SIGNER, b"short", NOW)


def test_a_response_is_bound_to_its_request():
    answer = sign_response(200, BODY, HEADERS["Signature"], SIGNER, NOW)
    verified = verify_response((200, answer, BODY), HEADERS["Signature"], key_of, NOW)
    assert verified == (EPOCH, NOW // SECOND * SECOND)
    other = sign_request(TARGET, BODY, SIGNER, seed("n")[:16], NOW)["Signature"]
    for response, request in (
        ((201, answer, BODY), HEADERS["Signature"]),
        ((200, answer, BODY + b"!"), HEADERS["Signature"]),
        ((200, answer, BODY), other),
        ((200, HEADERS, BODY), HEADERS["Signature"]),
        ((200, {**answer, "Signature": HEADERS["Signature"]}, BODY), HEADERS["Signature"]),
    ):
        with pytest.raises(BadHttpSignature):
            verify_response(response, request, key_of, NOW)


def test_a_response_is_no_request():
    answer = sign_response(200, BODY, HEADERS["Signature"], SIGNER, NOW)
    with pytest.raises(BadHttpSignature, match="form"):
        check({**answer, "Foedus-To": NODE.hex()})


def test_a_nonce_serves_once_in_two_minutes():
    window = NonceWindow()
    assert window.admit(EPOCH, NONCE, NOW)
    assert not window.admit(EPOCH, NONCE, NOW + HTTP_NONCE_KEPT)
    assert window.admit(NODE, NONCE, NOW)
    assert window.admit(EPOCH, NONCE, NOW + HTTP_NONCE_KEPT + 1)


def test_a_full_window_refuses_rather_than_forgets(monkeypatch):
    monkeypatch.setattr(http_signature, "NONCES_MAX", 3)
    window = NonceWindow()
    assert [window.admit(EPOCH, bytes([n]) * 16, NOW) for n in range(5)] == [True, True, True, False, False]
    assert not window.admit(EPOCH, bytes(16), NOW + 1)
    assert window.admit(EPOCH, bytes(16), NOW + HTTP_NONCE_KEPT + 1)
