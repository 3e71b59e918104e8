"""More waits than may: each chain keeps its share, and what was let go is taken in once what it stands on came."""

from hypothesis import given, settings
from hypothesis import strategies as st

from foedus.state.documents import waiting
from foedus.state.documents.fold import Part, RoomDocuments
from foedus.state.documents.replica import merged
from foedus.state.documents.update import Reach
from foedus.state.documents.waiting import Waiting
from tests.state.documents.test_order import canonical, history

FEW = 5_000
"""Bytes: room for some nine small updates."""
GARBAGE = b"\x01\x01\x05\x63\x04\x01\x01t\x01x\x00"
"""Clock 99 of client 5, of which none before ever comes."""


def part(epoch, seq, update, name="page"):
    return Part(name, epoch, seq, "did:key:someone", 0, 1, update)


def taken(parts):
    """Return the room, and the number of passes until nothing that was let go may come in any more."""
    room, passes = RoomDocuments(), 0
    room.take_all([(each, None) for each in parts])
    while names := room.begin_again():
        passes += 1
        room.take_again(names, [(each, None) for each in parts])
    return room, passes


@settings(max_examples=15, deadline=None)
@given(st.randoms(use_true_random=False))
def test_whatever_was_let_go_comes_in_once_all_is_taken_anew(draw):
    updates = history(draw)
    order = list(enumerate(updates))
    draw.shuffle(order)
    parts = [part(bytes([draw.randint(1, 3)]) * 32, seq + 1, update) for seq, update in order]
    before, waiting.WAITING_BYTES_MAX = waiting.WAITING_BYTES_MAX, FEW
    try:
        room, _ = taken(parts)
    finally:
        waiting.WAITING_BYTES_MAX = before
    document = room.documents["page"]
    assert (document._waiting.bytes, document.kept() is not None) == (0, True)
    assert canonical(document.whole()) == canonical(merged(updates))


def test_in_the_worst_order_each_time_as_much_comes_in_as_may_wait(monkeypatch):
    """Without a second reading all but the last few were lost."""
    monkeypatch.setattr(waiting, "WAITING_BYTES_MAX", FEW)
    updates = history(Steady(), clients=1, edits=80)
    parts = [part(b"a" * 32, seq + 1, update) for seq, update in enumerate(reversed(updates))]
    room, passes = taken(parts)
    assert canonical(room.documents["page"].whole()) == canonical(merged(updates))
    assert 5 < passes <= len(updates) // 8


def test_two_who_answer_each_other_and_are_read_one_after_the_other(monkeypatch):
    monkeypatch.setattr(waiting, "WAITING_BYTES_MAX", FEW)
    updates = history(Steady(), clients=1, edits=80)
    order = [*enumerate(updates[1::2]), *enumerate(updates[::2])]
    parts = [part(bytes([place < 40]) * 32, seq + 1, update) for place, (seq, update) in enumerate(order)]
    room, passes = taken(parts)
    assert canonical(room.documents["page"].whole()) == canonical(merged(updates))
    assert 1 <= passes <= 16


def test_who_stands_on_nothing_takes_no_place_of_others(monkeypatch):
    monkeypatch.setattr(waiting, "WAITING_BYTES_MAX", FEW)
    updates = history(Steady(), clients=1, edits=5)
    hostile = [part(b"h" * 32, seq + 1, GARBAGE) for seq in range(1_000)]
    honest = [part(b"a" * 32, seq + 1, update) for seq, update in enumerate(updates[1:])]
    room, passes = taken([*hostile, *honest, part(b"b" * 32, 1, updates[0])])
    document = room.documents["page"]
    assert (canonical(document.whole()), passes) == (canonical(merged(updates)), 0)
    assert 0 < document._waiting.bytes <= FEW
    assert document.kept() is None


def test_what_needs_most_of_who_has_most_is_let_go(monkeypatch):
    monkeypatch.setattr(waiting, "WAITING_BYTES_MAX", 3 * waiting.WAITING_EACH + 10)
    held = Waiting()
    for source, update, needed in ((b"a", b"1", 5), (b"a", b"2", 9), (b"b", b"3", 50), (b"a", b"4", 7)):
        held.put(7, update, Reach({}, {7: needed}), source)
    assert list(held.updates()) == [b"1", b"3", b"4"]
    held.came({7: 8})
    assert (held.has_let_go, held.may_recover) == (True, False)
    held.came({8: 99, 7: 9})
    assert held.may_recover
    held.begin_again()
    held.came({7: 60})
    assert (held.has_let_go, held.may_recover) == (False, False)
    assert [each.update for each in held.take_out(7)] == [b"1", b"3", b"4"]
    assert (held.bytes, list(held.updates()), held._sources) == (0, [], {})


@given(st.lists(st.tuples(st.sampled_from([b"a", b"b", b"c"]), st.integers(1, 4), st.integers(1, 9)), max_size=80))
def test_it_holds_no_more_than_it_may_and_counts_rightly(steps):
    before, waiting.WAITING_BYTES_MAX = waiting.WAITING_BYTES_MAX, FEW
    try:
        held = Waiting()
        for source, client, needed in steps:
            held.put(client, bytes(needed), Reach({}, {client: needed}), source)
            if needed == 1:
                held.take_out(client)
            left = list(held.updates())
            assert held.bytes == sum(len(update) + waiting.WAITING_EACH for update in left) <= FEW
            assert sum(len(each.clients) for each in held._sources.values()) == len(left)
    finally:
        waiting.WAITING_BYTES_MAX = before


class Steady:
    """Draws that write at the end, and delete nothing."""

    def randrange(self, *_):
        return 7

    def random(self):
        return 0.9

    def randint(self, _first, last):
        return last

    def choice(self, docs):
        return docs[0]
