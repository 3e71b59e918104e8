"""What is a Yjs update and what is none, and that no bytes harm who checks them."""

from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pycrdt import Array, Doc, Map, Text, XmlElement, XmlFragment, XmlText

from foedus.state.documents import waiting
from foedus.state.documents.document import Document
from foedus.state.documents.errors import BadMessage, BadUpdate
from foedus.state.documents.fold import Part, RoomDocuments, parts_of
from foedus.state.documents.messages import GONE, Asks, Brings, Presence, Shows, asks, brings, read, shows
from foedus.state.documents.presences import Presences
from foedus.state.documents.replica import merged
from foedus.state.documents.update import EMPTY, check


def edited(doc, change):
    """Return the updates that a change makes."""
    found = []
    watch = doc.observe(lambda event: found.append(event.update))
    change(doc)
    doc.unobserve(watch)
    return found


def rich():
    """A document with each kind of content."""
    doc = Doc()
    doc["text"] = text = Text("hello 😀")
    text.format(0, 3, {"bold": True})
    text.insert_embed(2, {"image": "x"})
    del text[1:2]
    doc["map"] = Map({"a": 1, "b": [1.5, None, True, b"bytes"], "c": Map({"d": Array([1, 2])}), "e": 2**40})
    doc["xml"] = xml = XmlFragment()
    xml.children.append(XmlElement("p", {"class": "x"}, [XmlText("inside")]))
    return doc


RICH = rich().get_update()


def test_what_a_document_says_of_itself_is_an_update():
    check(RICH)
    check(EMPTY)


def test_each_edit_is_an_update():
    doc = Doc()
    doc["text"] = text = Text()
    found = edited(doc, lambda _: [text.insert(place // 2, "ab") for place in range(20)] + [text.clear()])
    assert len(found) == 21
    for update in found:
        check(update)


@given(st.binary(max_size=400))
@settings(max_examples=400, deadline=None)
def test_random_bytes_harm_nobody_who_checks_them(data):
    with suppress(BadUpdate):
        check(data)


@given(st.data())
@settings(max_examples=400, deadline=None)
def test_a_damaged_update_harms_nobody_who_checks_it(data):
    """What passes may still end who applies it: tests/adapters/test_document_keeper.py."""
    whole = bytearray(RICH)
    for _ in range(data.draw(st.integers(1, 3))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    with suppress(BadUpdate):
        check(bytes(whole))


def test_a_client_stands_once_in_an_update():
    one = b"\x01\x05\x00\x04\x01\x01t\x01x"
    check(b"\x01" + one + b"\x00")
    for twice in (b"\x02" + one + one + b"\x00", b"\x00\x02" + b"\x05\x01\x00\x01" * 2):
        with pytest.raises(BadUpdate, match="twice"):
            check(twice)


@pytest.mark.parametrize("cut", [1, 5, 40])
def test_an_update_that_ends_early_is_refused(cut):
    with pytest.raises(BadUpdate):
        check(RICH[:-cut])


def test_any_order_gives_the_same_document():
    doc = Doc()
    doc["text"] = text = Text()
    found = edited(doc, lambda _: [text.insert(0, str(place % 10)) for place in range(50)])
    one, other = Document(), Document()
    for update in found:
        one.take(update)
    for update in reversed(found):
        other.take(update)
    assert one.whole() == other.whole() == doc.get_update()
    assert one.has(found[3], check(found[3]))
    assert not Document().has(found[3], check(found[3]))
    joined = Document()
    joined.take(merged(found))
    assert joined.whole() == one.whole()


def test_a_large_update_stands_in_several_acts():
    doc = Doc()
    doc["text"] = Text("x" * 120_000)
    update = doc.get_update()
    acts = list(parts_of(update))
    assert len(acts) == 3
    room = RoomDocuments()
    told = [room.take(Part("page", b"e", 7 + at, "did", at, of, data)) for at, of, data in acts]
    assert told == [[], [], [("page", update)]]
    assert room.documents["page"].whole() == update


def test_parts_of_two_authors_are_no_update():
    room = RoomDocuments()
    assert room.take(Part("page", b"e", 1, "one", 0, 2, b"\x00")) == []
    assert room.take(Part("page", b"e", 2, "two", 1, 2, b"\x00")) == []
    assert room.documents == {}


def test_what_is_begun_and_never_ended_takes_no_more_room():
    room = RoomDocuments()
    for seq in range(1, 100):
        assert room.take(Part("page", b"e", seq, "did", 0, 11, b"x" * 100)) == []
    assert len(room._waiting) == 1
    assert room.take(Part("page", b"e", 101, "did", 1, 11, b"x")) == []
    assert room._waiting == {}


# --- messages --------------------------------------------------------------------------------


def test_messages_are_read_as_they_were_written():
    there = (Presence(7, 1, '{"name":"ann"}'),)
    assert read(asks(b"\x00")) == Asks(b"\x00")
    assert read(brings(EMPTY)) == Brings(EMPTY, is_answer=False)
    assert read(brings(EMPTY, is_answer=True)) == Brings(EMPTY, is_answer=True)
    assert read(shows(there)) == Shows(there)


@given(st.binary(max_size=100))
def test_random_messages_are_refused_or_read(data):
    try:
        read(data)
    except BadMessage:
        return


@pytest.mark.parametrize("data", [b"", b"\x09", b"\x00\x07\x00", b"\x00\x00\x00", b"\x01\x05\x01\x01\x01\x01{"])
def test_what_is_no_message_is_refused(data):
    with pytest.raises(BadMessage):
        read(data)


def test_presences_end_with_their_connection_and_nobody_else_changes_them():
    held = Presences()
    mine = Presence(1, 1, '{"name":"ann"}')
    assert held.take("ann", [mine]) == (mine,)
    assert held.take("bob", [mine, Presence(1, 9, GONE)]) == ()
    assert held.all() == (mine,)
    assert held.leave("bob") == ()
    many = [Presence(client, 1, "{}") for client in range(2, 100)]
    assert len(held.take("eve", many)) == 16
    assert len(held.leave("eve")) == 16
    assert held.leave("ann") == (Presence(1, 2, GONE),)
    assert held.all() == ()


def test_who_comes_back_is_told_at_a_later_clock_than_the_end_was():
    presences = Presences()
    assert presences.take("link", [Presence(7, 4, '{"a":1}')]) == (Presence(7, 4, '{"a":1}'),)
    assert presences.leave("link") == (Presence(7, 5, GONE),)
    assert presences.take("again", [Presence(7, 4, '{"a":1}')]) == (Presence(7, 6, '{"a":1}'),)
    assert presences.take("again", [Presence(7, 4, '{"a":1}')]) == ()
    assert presences.take("again", [Presence(7, 5, '{"a":2}')]) == (Presence(7, 7, '{"a":2}'),)
    assert presences.all() == (Presence(7, 7, '{"a":2}'),)
    assert presences.leave("again") == (Presence(7, 8, GONE),)


def test_what_stands_on_nothing_that_comes_takes_no_memory_without_end(monkeypatch):
    monkeypatch.setattr(waiting, "WAITING_BYTES_MAX", 2_000)
    document, update = Document(), b"\x01\x01\x05\x63\x04\x01\x01t\x01x\x00"  # clock 99, of which none before came
    for _ in range(1_000):
        assert document.take(update) == []
    assert document._waiting.bytes <= 2_000
