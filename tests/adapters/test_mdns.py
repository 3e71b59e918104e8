"""What is said on the network is only said: whatever is no node is passed over, and nothing grows."""

import pytest

from foedus.adapters.mdns import Announcement, Announcer, CannotBrowse, Heard, browse, read

ID = bytes(range(32))
GOOD = {b"id": ID.hex().encode(), b"name": "öak".encode(), b"tls": b"0"}


def test_an_answer_is_read():
    assert read(GOOD, ["192.0.2.7", "fd00::1"], 8102) == Heard(
        ID, "öak", ("http://192.0.2.7:8102", "http://[fd00::1]:8102")
    )
    assert read(GOOD | {b"tls": b"1"}, ["192.0.2.7"], 443).urls == ("https://192.0.2.7:443",)


@pytest.mark.parametrize(
    ("properties", "addresses", "port"),
    [
        ({}, ["192.0.2.7"], 8102),
        (GOOD | {b"id": None}, ["192.0.2.7"], 8102),
        (GOOD | {b"id": b"ab"}, ["192.0.2.7"], 8102),
        (GOOD | {b"id": b"\xff" * 64}, ["192.0.2.7"], 8102),
        (GOOD | {b"id": b"z" * 64}, ["192.0.2.7"], 8102),
        (GOOD, [], 8102),
        (GOOD, ["evil.example/@"], 8102),
        (GOOD, ["192.0.2.7"], 0),
        (GOOD, ["192.0.2.7"], None),
        (GOOD, ["192.0.2.7"], 1 << 16),
    ],
)
def test_what_cannot_be_a_node_is_passed_over(properties, addresses, port):
    assert read(properties, addresses, port) is None


def test_a_name_is_a_claim_of_bounded_length():
    heard = read(GOOD | {b"name": b"\xff" + b"x" * 255}, ["192.0.2.7"], 8102)
    assert len(heard.name) == 128


@pytest.mark.parametrize("interface", ["", "no address", "192.0.2.77"])
async def test_an_interface_that_is_not_ours_is_refused_by_name(interface):
    with pytest.raises(CannotBrowse) as caught:
        await browse(interface, 0.01)
    assert "[discovery]" in caught.value.remedy
    with pytest.raises(CannotBrowse):
        Announcer(interface, Announcement(ID, "oak", "127.0.0.1", 8102, tls=False))
