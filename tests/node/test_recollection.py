"""What is like a text, the best first: compared with a plain look at every message."""

from math import log2
from types import SimpleNamespace

from hypothesis import given
from hypothesis import strategies as st

from foedus.base.clock import Hlc
from foedus.node.recollection import Recollection, _Entry, words_of

WORDS = [f"word{number}" for number in range(6)]


def holding(messages):
    """Return a recollection of messages: the words and the time of each."""
    store = SimpleNamespace(on_reload=[], publisher=SimpleNamespace(bookkeepers=[]))
    found = Recollection(store)
    for number, (words, at) in enumerate(messages):
        event = bytes([number])
        found._entries[event] = _Entry(event, Hlc(at, 0), words, ())
        found._messages += 1
        for word in words:
            found._by_word[word].add(event)
    return found


def plainly(messages, text):
    """Look at each message."""
    asked = words_of(text)
    held = {word: sum(word in words for words, _ in messages) for word in asked}
    weights = {word: round(1000 * log2(1 + (1 + len(messages)) / (1 + held[word]))) for word in asked}
    found = []
    for number, (words, at) in enumerate(messages):
        score = sum(weights[word] for word in asked if word in words) * 1_000_000 // (sum(weights.values()) or 1)
        if score:
            found.append((-score, -at, bytes([number])))
    return [(event, -score) for score, _, event in sorted(found)]


@given(
    st.lists(st.tuples(st.lists(st.sampled_from(WORDS), max_size=4, unique=True), st.integers(0, 9)), max_size=250),
    st.lists(st.sampled_from([*WORDS, "unheard"]), max_size=5).map(" ".join),
)
def test_the_best_come_first_as_by_a_look_at_every_message(messages, text):
    assert list(holding(messages).best_first(text)) == plainly(messages, text)
