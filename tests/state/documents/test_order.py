"""Whatever the order in which updates come, they make one document, byte for byte, and nothing is lost."""

from hypothesis import given, settings
from hypothesis import strategies as st
from pycrdt import Doc, Text

from foedus.state.documents.document import Document
from foedus.state.documents.replica import merged
from foedus.state.documents.update import clocks, reach

_FIRST = 0x4E00
_WIDTH = 3
"""Bytes of each character that is written, in UTF-8: places in a text are counted in bytes."""


def canonical(update):
    """Return what an update makes as it is written by who reads it for the first time.

    Two who hold the same may have cut the same run of characters in two at other places.
    """
    doc = Doc()
    doc.apply_update(update)
    return doc.get_update(), clocks(doc.get_state())


def history(draw, clients=4, edits=60):
    """Let some clients write and delete, and now and then read each other; return the updates in order."""
    docs = [Doc(client_id=draw.randrange(1, 1 << 31)) for _ in range(clients)]
    found, watches, written = [], [], 0
    for doc in docs:
        doc["text"] = Text()
        watches.append(doc.observe(lambda event: found.append(event.update)))
    for _ in range(edits):
        doc = draw.choice(docs)
        text = doc["text"]
        length = len(str(text))
        if draw.random() < 0.3 and length > 2:
            start = draw.randrange(length)
            del text[_WIDTH * start : _WIDTH * min(length, start + draw.randint(1, 3))]
        else:
            more = "".join(chr(_FIRST + written + each) for each in range(draw.randint(1, 4)))
            text.insert(_WIDTH * draw.randint(0, length), more)
            written += len(more)
        if draw.random() < 0.2:
            other = draw.choice(docs)
            other.apply_update(doc.get_update(other.get_state()))
    return found


def joined(draw, updates):
    """Join runs of updates, as a node joins what one client sends."""
    left, runs = list(updates), []
    while left:
        size = draw.randint(1, 5)
        runs.append(merged(left[:size]))
        left = left[size:]
    return runs


@given(st.randoms(use_true_random=False), st.booleans())
@settings(max_examples=80, deadline=None)
def test_updates_in_any_order_make_one_document(draw, is_joined):
    updates = history(draw)
    wanted = Doc()
    for update in updates:
        wanted.apply_update(update)
    shuffled = joined(draw, updates) if is_joined else list(updates)
    draw.shuffle(shuffled)
    document, told = Document(), Doc()
    for update in shuffled:
        counted = document.take(update)
        if counted:
            told.apply_update(merged(counted))
    assert canonical(document.whole()) == canonical(wanted.get_update())
    assert clocks(document.state_vector()) == clocks(wanted.get_state())
    assert canonical(told.get_update()) == canonical(wanted.get_update()), "clients are told in an order that holds"


def test_what_an_update_stands_on_is_waited_for():
    first, answer = Doc(client_id=1), Doc(client_id=2)
    first["text"], answer["text"] = Text("question"), Text()
    question = first.get_update()
    answer.apply_update(question)
    answer["text"].insert(8, " answer")
    said = answer.get_update(first.get_state())
    assert reach(said).needs == {1: 8}
    document = Document()
    assert document.take(said) == []
    assert document.state_vector() == Document().state_vector()
    assert document.bytes_taken == len(said)
    assert document.take(question) == [question, said]
    assert canonical(document.whole()) == canonical(answer.get_update())


def test_what_is_deleted_may_come_later():
    doc = Doc(client_id=1)
    doc["text"] = text = Text("word")
    written = doc.get_update()
    held = doc.get_state()
    del text[0:2]
    document = Document()
    assert document.take(doc.get_update(held))
    document.take(written)
    assert canonical(document.whole()) == canonical(doc.get_update())
