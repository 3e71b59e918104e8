"""An agent that sends and sends takes no room from the others."""

import pytest

from foedus.base.errors import UsageError
from foedus.node import errand_records
from foedus.node.errand_records import Errand, ErrandBook


class _Store:
    """What a book asks of the node's store."""

    def __init__(self):
        self.log = self
        self.kept = {}

    def values(self, _space):
        return {}

    def now(self):
        return 1

    async def put(self, *values):
        for value in values:
            self.kept[value.key] = value.value


def _errand(did, key):
    return Errand(
        did=did, key=key, context="", host=bytes(32), name="n", offer=bytes(32), input=b"{}", at=0, until=9, note=b""
    )


async def test_what_one_agent_sent_and_is_over_keeps_no_other_waiting(monkeypatch):
    monkeypatch.setattr(errand_records, "KEPT_MAX", 8)
    monkeypatch.setattr(errand_records, "KEPT_PER_PARTICIPANT_MAX", 4)
    book = ErrandBook(_Store())
    for number in range(12):
        errand = bytes([number])
        assert await book.add(errand, _errand("greedy", str(number))) == errand
        await book.change(errand, state="over")
    assert await book.add(b"other", _errand("other", "one")) == b"other"
    assert [key for key, _ in book] == [b"\x08", b"\x09", b"\x0a", b"\x0b", b"other"]
    assert await book.add(b"again", _errand("greedy", "11")) == b"\x0b"  # what is kept is done once


async def test_what_is_under_way_makes_no_room(monkeypatch):
    monkeypatch.setattr(errand_records, "KEPT_PER_PARTICIPANT_MAX", 2)
    monkeypatch.setattr(errand_records, "OPEN_PER_PARTICIPANT_MAX", 2)
    book = ErrandBook(_Store())
    for number in range(2):
        await book.add(bytes([number]), _errand("greedy", str(number)))
    with pytest.raises(UsageError, match="too many"):
        await book.add(b"more", _errand("greedy", "more"))
    assert len(list(book)) == 2
