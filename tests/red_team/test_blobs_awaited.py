"""Who is told when a blob has come: each peer as many as it asked for, and none that it may not see."""

from types import SimpleNamespace

import pytest

from foedus.base.blobs import cut
from foedus.node import blob_carrying
from foedus.node.blob_carrying import BlobCarrying
from foedus.node.blobs import Held
from foedus.sync.frames.blobs import HaveBlob


class _Link:
    """An open link that keeps what is sent."""

    def __init__(self, node):
        self.node = node
        self.sent = []
        self.session = SimpleNamespace(is_open=True)

    def control(self, frame):
        self.sent.append(frame)


@pytest.fixture
def links():
    return {node: _Link(node) for node in (b"greedy", b"member", b"stranger")}


@pytest.fixture
def carrying(links):
    chain = SimpleNamespace(node=b"writer")
    store = SimpleNamespace(admission=SimpleNamespace(chains={(b"epoch", "room:1"): chain}))
    audience = SimpleNamespace(may_see=lambda node, _chain: node != b"stranger")
    return BlobCarrying(store, SimpleNamespace(held=lambda _events: []), links, audience)


def held(event):
    row = SimpleNamespace(id=event, epoch=b"epoch", stream="room:1")
    return Held(row, b"writer", cut(b"x")[0])


def told(link):
    return [frame.event for frame in link.sent if isinstance(frame, HaveBlob)]


def test_one_that_asks_for_all_and_everything_takes_no_place_from_others(carrying, links, monkeypatch):
    monkeypatch.setattr(blob_carrying, "AWAITING_MAX", 4)
    for number in range(100):
        carrying._answer(links[b"greedy"], bytes([number]), 0)
    carrying._answer(links[b"member"], b"wanted", 0)
    assert sum(map(len, carrying._awaiting.values())) == 5
    carrying._whole(held(b"wanted"))
    carrying._whole(held(b"\x63"))
    assert told(links[b"member"]) == [b"wanted"]
    assert told(links[b"greedy"]) == [b"\x63"]


def test_who_may_not_see_an_event_does_not_hear_that_it_is_here(carrying, links):
    for link in links.values():
        carrying._answer(link, b"event", 0)
    carrying._whole(held(b"event"))
    assert not told(links[b"stranger"])
    assert told(links[b"member"]) == [b"event"]


def test_what_is_gone_is_awaited_no_more(carrying, links):
    carrying._answer(links[b"member"], b"event", 0)
    carrying._forget(b"event")
    carrying._whole(held(b"event"))
    assert not told(links[b"member"])
