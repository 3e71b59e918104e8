from foedus.base.base64url import from_base64url
from foedus.base.cbor import decode, decode_as
from foedus.crypto.ed25519 import Ed25519Key, verify
from foedus.identity.did import did_of
from foedus.log.event import Act, act_signing_bytes, digest_of
from foedus.surfaces.cli.signing import Draft, Moment, signed_act

KEY = Ed25519Key(bytes(range(32)))
MOMENT = Moment(b"\x0e" * 32, 1_700_000_000_000_000, b"\x01" * 16, b"\x02" * 32)
DRAFT = Draft(did_of(KEY.public), f"room:{'0c' * 32}", "message.text", {"text": "hi"}, (b"\x03" * 32,), (b"\x04" * 32,))


def test_an_act_is_canonical_and_names_its_body_and_what_it_stands_on():
    signed = signed_act(KEY, DRAFT, MOMENT)
    act = decode_as(from_base64url(signed.act), Act)
    assert decode(from_base64url(signed.body)) == {"text": "hi"}
    assert act.digest == digest_of(from_base64url(signed.salt), from_base64url(signed.body))
    assert (act.author, act.device, act.kind) == (did_of(KEY.public), KEY.public, "message.text")
    assert (act.at, act.nonce, act.auth, act.refs) == (MOMENT.now, MOMENT.nonce, DRAFT.auth, DRAFT.refs)


def test_the_signature_binds_the_act_to_epoch_and_stream():
    signed = signed_act(KEY, DRAFT, MOMENT)
    act = decode_as(from_base64url(signed.act), Act)
    message = act_signing_bytes(act, MOMENT.epoch, DRAFT.stream)
    assert verify(KEY.public, message, from_base64url(signed.asig))
    assert not verify(KEY.public, act_signing_bytes(act, b"\x0f" * 32, DRAFT.stream), from_base64url(signed.asig))
    assert not verify(KEY.public, act_signing_bytes(act, MOMENT.epoch, "node"), from_base64url(signed.asig))


def test_the_same_arguments_give_the_same_bytes():
    assert signed_act(KEY, DRAFT, MOMENT) == signed_act(KEY, DRAFT, MOMENT)
