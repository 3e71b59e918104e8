"""Many erasures of one event: each costs the same, and the one that takes it is the one that its twin finds."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from foedus.base.cbor import encode
from foedus.log.chains import Chain
from foedus.log.erasures import Erasures
from foedus.log.event import Act, Envelope, Event, Parsed
from foedus.log.port import Verdict

NODE, STREAM = bytes(32), "room:" + "0" * 64
CHAINS = [Chain(bytes([number]) * 32, STREAM, NODE) for number in (1, 2)]


def act(author: str, at: int, kind: str = "event.erase") -> Act:
    return Act(at=at, auth=(), kind=kind, refs=(), nonce=bytes(16), author=author, device=None, digest=bytes(32))


def event(what: Act, seq: int = 1) -> Event:
    return Event(v=1, act=what, hlc=(what.at, 0), seq=seq, asig=None, prev=None, epoch=CHAINS[0].epoch, stream=STREAM)


TARGET = event(act("ada", 0, "message.text"))
NAME = b"t" * 32


def erase(number: int, author: str = "ada", at: int = 0) -> Parsed:
    body = encode({"targets": [NAME], "reason": "author"})
    return Parsed(
        Envelope(b"", b"", bytes(32), body), event(act(author, at), number + 1), number.to_bytes(32, "big"), None
    )


class Counting(Erasures):
    """Counts how often an erase is compared with an event."""

    looked = 0

    def objection(self, *args):
        self.looked += 1
        return super().objection(*args)


class Nothing:
    """A log of which nothing rests."""

    def in_place(self, event_id):
        raise NotImplementedError

    eraser = in_place


def erasures(kind=Erasures):
    return kind(None, lambda _epoch: NODE, Nothing())


def test_many_erasures_of_one_event_are_looked_at_once_each():
    """Each had all before it copied, and each look at the event compared it with all of them."""
    held = erasures(Counting)
    many = 5_000
    for number in range(many):
        one = erase(number, "eve" if number % 2 else "ada", at=many - number)
        held.note(one, CHAINS[0])
        held.judged(one.id, Verdict.ACCEPTED)
        found = held.erased_by(NAME, TARGET)
        assert found.id == (number - number % 2).to_bytes(32, "big")
    assert held.looked <= 3 * many
    for number in range(many):
        held.forget(CHAINS[0].key, many - number)
        held.erased_by(NAME, TARGET)
    assert held.looked <= 6 * many
    assert not held.names(NAME)


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["note", "load", "accept", "reject", "forget", "ask"]),
        st.integers(0, 7),
        st.sampled_from(["ada", "eve"]),
        st.integers(0, 3),
    ),
    max_size=60,
)


@settings(deadline=None)
@given(STEPS)
def test_whatever_comes_and_goes_the_first_that_counts_takes_the_body(steps):
    held, known = erasures(), {}
    for what, number, author, at in steps:
        one, chain = erase(number, author, at), CHAINS[number % 2]
        if what in {"note", "load"} and number not in known:
            held.note(one, chain, counts=what == "load")
            known[number] = [what == "load", author, at]
        elif what in {"accept", "reject"} and number in known:
            held.judged(one.id, Verdict.ACCEPTED if what == "accept" else Verdict.REJECTED)
            known[number][0] = what == "accept"
        elif what == "forget":
            held.forget(chain.key, number + 1)
            known = {it: said for it, said in known.items() if it < number or it % 2 != number % 2}
        found = held.erased_by(NAME, TARGET) if what == "ask" else None
        counting = [(when, it) for it, (counts, who, when) in known.items() if counts and who == "ada"]
        if what == "ask":
            assert (found and int.from_bytes(found.id, "big")) == (min(counting)[1] if counting else None)
        assert held.names(NAME) == bool(known)
