"""Where calls may be sent: by address, whatever it is dressed as."""

from ipaddress import IPv4Address, IPv6Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from foedus.trust.policy import WebhookReach
from foedus.trust.webhooks import BadWebhook, Place, is_address, may_send, parse_target, place_of

TLS, PLAIN = parse_target("https://bots.example/x"), parse_target("http://bots.example/x")


@pytest.mark.parametrize(
    ("address", "place"),
    [
        ("127.0.0.1", Place.LOOPBACK),
        ("127.9.9.9", Place.LOOPBACK),
        ("::1", Place.LOOPBACK),
        ("::ffff:127.0.0.1", Place.LOOPBACK),
        ("64:ff9b::7f00:1", Place.LOOPBACK),
        ("10.1.2.3", Place.PRIVATE),
        ("192.168.1.1", Place.PRIVATE),
        ("100.64.0.1", Place.PRIVATE),
        ("fd00::1", Place.PRIVATE),
        ("::ffff:10.0.0.1", Place.PRIVATE),
        ("2002:0a00:0001::1", Place.PRIVATE),
        ("8.8.8.8", Place.PUBLIC),
        ("2606:4700::1111", Place.PUBLIC),
        ("169.254.169.254", Place.NOWHERE),
        ("::ffff:169.254.169.254", Place.NOWHERE),
        ("64:ff9b::a9fe:a9fe", Place.NOWHERE),
        ("fe80::1%eth0", Place.NOWHERE),
        ("0.0.0.0", Place.NOWHERE),  # noqa: S104  # nothing is bound to it
        ("0.1.2.3", Place.NOWHERE),
        ("::", Place.NOWHERE),
        ("224.0.0.1", Place.NOWHERE),
        ("ff02::1", Place.NOWHERE),
        ("255.255.255.255", Place.NOWHERE),
        ("127.1", Place.NOWHERE),
        ("2130706433", Place.NOWHERE),
        ("bots.example", Place.NOWHERE),
    ],
)
def test_an_address_is_what_it_is(address, place):
    assert place_of(address) is place


@given(st.ip_addresses(), st.sampled_from(WebhookReach), st.booleans(), st.sampled_from([TLS, PLAIN]))
def test_nothing_goes_to_strangers_in_the_clear_and_more_reach_never_forbids(address, reach, by_operator, target):
    order = list(WebhookReach)
    place, text = place_of(str(address)), str(address)
    allowed = may_send(target, text, reach, by_operator=by_operator)
    assert not (allowed and place is Place.NOWHERE)
    assert not (allowed and place is Place.PUBLIC and not target.is_tls)
    if allowed and not by_operator:
        assert reach is not WebhookReach.NOWHERE
        assert all(may_send(target, text, wider, by_operator=False) for wider in order[order.index(reach) :])
        assert may_send(target, text, reach, by_operator=True)


@given(st.one_of(st.builds(IPv4Address, st.integers(0, 2**32 - 1)), st.builds(IPv6Address, st.integers(0, 2**128 - 1))))
def test_an_address_is_never_taken_for_a_name(address):
    assert is_address(str(address))


@pytest.mark.parametrize(
    "url",
    [
        "",
        "bots.example",
        "ftp://bots.example/",
        "file:///etc/passwd",
        "https://",
        "https://user@bots.example/",
        "https://user:secret@bots.example/",
        "https://bots.example/#part",
        "https://bots.example:0/",
        "https://bots.example:99999/",
        "https://bots.example/a b",
        "https://bots.example/\r\nHost: other",
        "https://b\u00f6ts.example/",
        "http://[::1/",
        "https://bots.example/" + "x" * 1_024,
    ],
)
def test_what_is_no_url_for_calls_is_refused(url):
    with pytest.raises(BadWebhook):
        parse_target(url)


def test_what_is_shown_of_a_url_holds_no_secret():
    target = parse_target("https://bots.example/hooks/5up3r?key=5up3r")
    assert (target.origin, target.port) == ("https://bots.example:443", 443)
