"""What an agent behind a webhook does: nothing of what its node did not send just now, and nothing twice."""

import msgspec
import pytest
from msgspec.structs import replace

from foedus.base.errors import UsageError
from foedus.base.limits import SECOND
from foedus.crypto.ed25519 import Ed25519Key
from foedus.identity.did import did_of
from foedus.identity.webhook_proof import WEBHOOK_HEADER, Delivery, sign_delivery
from foedus.sdk import NotFromNode, ReceivedCalls, verify_webhook
from foedus.values.calls import WorkView

KEY = Ed25519Key(bytes(32))
URL, AT = "https://bots.example/x", 1_700_000_000 * SECOND
WORK = WorkView(
    call="ab" * 32,
    name="echo",
    offer="cd" * 32,
    caller="did:key:z6Mk",
    caller_name="ada",
    node="ef" * 32,
    node_name="oak",
    input={"text": "salve"},
    deadline=AT + 30 * SECOND,
)


def sent(work=WORK, call=None, body=None):
    body = msgspec.json.encode(work) if body is None else body
    delivery = Delivery(at=AT, attempt=1, call=bytes.fromhex(call or work.call), url=URL, body=body)
    return {WEBHOOK_HEADER.title(): sign_delivery(KEY, delivery)}, body


def verified(headers, body, **changed):
    return verify_webhook(headers, body, **{"key": KEY.public.hex(), "url": URL, "now": AT} | changed)


def test_a_call_that_the_node_sent_is_returned():
    call = verified(*sent())
    assert (call.call, call.input, call.attempt) == (WORK.call, {"text": "salve"}, 1)
    assert verified(*sent(), key=did_of(KEY.public)) == call


def test_what_the_node_did_not_send_here_and_now_is_refused():
    headers, body = sent()
    with pytest.raises(NotFromNode):
        verified({}, body)
    with pytest.raises(NotFromNode):
        verified(headers, body.replace(b"salve", b"vale!"))
    for changed in ({"url": URL + "2"}, {"now": AT + 61 * SECOND}, {"key": Ed25519Key(b"\1" * 32).public.hex()}):
        with pytest.raises(NotFromNode) as error:
            verified(headers, body, **changed)
        assert error.value.code == "bad_webhook_signature"


def test_what_is_signed_and_not_understood_or_of_another_call_is_refused():
    with pytest.raises(NotFromNode):
        verified(*sent(body=b"{}"))
    with pytest.raises(NotFromNode):
        verified(*sent(call="11" * 32))


def test_a_key_that_is_none_is_the_programs_fault():
    for key in ("", "zz", "ab", "did:key:nothing"):
        with pytest.raises(UsageError) as error:
            verified(*sent(), key=key)
        assert error.value.code == "bad_key"


def test_a_call_is_begun_once_also_by_another_process_until_it_cannot_come_again(tmp_path):
    call = verified(*sent())
    assert ReceivedCalls(tmp_path / "seen").begin(call)
    again = ReceivedCalls(tmp_path / "seen")
    assert not again.begin(call)
    assert again.begin(replace(call, call="11" * 32))
    assert again.forget(call.deadline + 60 * SECOND) == 0
    assert not again.begin(call)
    assert again.forget(call.deadline + 121 * SECOND) == 2
