"""What a node signs with a call that it brings: all of it, for one receiver, now."""

from hypothesis import given
from hypothesis import strategies as st

from foedus.base.limits import SECOND
from foedus.crypto.ed25519 import Ed25519Key
from foedus.identity.webhook_proof import Delivery, delivery_bytes, is_timely, read_delivery, sign_delivery

KEY = Ed25519Key(bytes(32))
URL = "https://bots.example/x"
DELIVERY = Delivery(at=1_700_000_000 * SECOND, attempt=2, call=bytes(range(32)), url=URL, body=b'{"call": 1}')
HEADER = sign_delivery(KEY, DELIVERY)


def read(header=HEADER, url=URL, body=DELIVERY.body, key=KEY.public):
    return read_delivery(header, url, body, key)


def test_what_was_signed_is_read():
    assert read() == DELIVERY
    assert delivery_bytes(DELIVERY).startswith(b"foedus/webhook/1\0%d.2.000102" % DELIVERY.at)


def test_another_url_body_or_key_does_not_fit():
    assert read(url=URL + "/") is None
    assert read(body=DELIVERY.body + b" ") is None
    assert read(key=Ed25519Key(b"\1" * 32).public) is None


@given(st.integers(0, len(HEADER) - 1), st.characters(codec="ascii"))
def test_no_letter_of_the_header_can_be_changed(place, letter):
    changed = HEADER[:place] + letter + HEADER[place + 1 :]
    assert (read(header=changed) is not None) == (changed == HEADER)


@given(st.text(max_size=300))
def test_any_header_is_read_or_refused(header):
    assert read(header=header) is None


def test_a_minute_is_now():
    minute = 60 * SECOND
    assert is_timely(DELIVERY, DELIVERY.at + minute)
    assert is_timely(DELIVERY, DELIVERY.at - minute)
    assert not is_timely(DELIVERY, DELIVERY.at + minute + 1)
