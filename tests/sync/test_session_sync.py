"""How two logs meet over a session: everything arrives once, in order, within credit, and only what may be seen."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from foedus.base.cbor import encode
from foedus.base.ids import sha256
from foedus.base.limits import CREDIT_BYTES, CURSORS_PER_FRAME, ENVELOPE_MAX, FRAME_EVENTS
from foedus.sync import effects as fx
from foedus.sync import positions as positions_module
from foedus.sync.frames.codec import decode_frame, encode_frame
from foedus.sync.frames.events import NO_EVENT, Ack, ChainPosition, Cursors, Events, Missing, Want
from foedus.sync.frames.keeping import Ping
from foedus.sync.pace import ASKS_BURST, PeerPace, TooFast
from foedus.sync.session import Session
from tests.sync.nodes import NOW, seed
from tests.sync.pairs import READY, Pair, Side, event

EPOCHS = {name: seed(name) for name in "abc"}
STREAMS = ["room:1", "room:2", "node", "members:1", "pair:x", "participant:p"]


def frames(side: Side, shape) -> list:
    decoded = [decode_frame(effect.data) for effect in side.effects if isinstance(effect, fx.SendFrame)]
    return [frame for frame in decoded if isinstance(frame, shape)]


def opened_alone() -> Session:
    """A responder whose peer is played by the test."""
    session = Session(initiator=False, now=NOW)
    session.offer([])
    session.open(READY)
    session.handle(encode_frame(READY), NOW)
    session.handle(encode_frame(Cursors((), more=False)), NOW)
    return session


def code_of(effects) -> str:
    assert isinstance(effects[-1], fx.Close)
    return effects[-1].code


# --- everything arrives -------------------------------------------------------------------------


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32))
def test_everything_arrives_exactly_once_in_order_whatever_happens_to_the_link(number):
    random = Random(number)
    pair = Pair()
    pair.connect()
    for _ in range(random.randrange(400)):
        match random.randrange(12):
            case 0:
                pair.cut()
            case 1 | 2 | 3:
                side = random.choice((pair.a, pair.b))
                side.append(EPOCHS[side.name], random.choice(STREAMS), random.choice((0, 10, 5_000, 120_000)))
            case _:
                pair.step(random)
        if pair.a.session is None:
            pair.cut()
            pair.connect()
    pair.settle()
    assert pair.a.log == pair.b.log
    assert pair.a.duplicates == pair.b.duplicates == 0
    assert pair.a.session is not None
    assert pair.a.session.lag == pair.b.session.lag == 0
    for (epoch, stream), events in pair.a.log.items():
        assert [event(epoch, stream, n)[:40] for n in range(1, len(events) + 1)] == [data[:40] for data in events]


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32))
def test_logs_that_also_grow_from_elsewhere_and_drop_events_still_meet(number):
    random = Random(number)
    pair = Pair()
    pair.connect()
    for _ in range(300):
        match random.randrange(14):
            case 0:
                side = random.choice((pair.a, pair.b))
                side.drop_next = random.randrange(4)
            case 1 | 2 | 3:
                # c's chain reaches both by other links, each at its own time
                random.choice((pair.a, pair.b)).append(EPOCHS["c"], random.choice(STREAMS[:2]))
            case _:
                pair.step(random)
    pair.settle()
    assert {key: events for key, events in pair.a.log.items() if events} == {
        key: events for key, events in pair.b.log.items() if events
    }


def test_what_both_hold_is_not_sent():
    pair = Pair()
    for side in (pair.a, pair.b):
        for _ in range(50):
            side.append(EPOCHS["c"], "room:1")
    pair.b.append(EPOCHS["c"], "room:1")
    pair.connect()
    pair.settle()
    assert pair.a.seen.total() == 1
    assert pair.b.seen.total() == 0


def test_what_came_from_the_peer_is_never_sent_back():
    pair = Pair()
    pair.connect()
    pair.settle()
    for _ in range(20):
        pair.a.append(EPOCHS["a"], "room:1")
        pair.settle()
    assert pair.b.seen["room:1"] == 20
    assert pair.a.seen.total() == 0
    assert not frames(pair.b, Events)


def test_a_chain_that_is_new_to_the_peer_and_grows_is_sent_once():
    """The peer showed it as soon as it held some of it; that cursor meant what was under way, which went again."""
    pair = Pair()
    pair.b.tells_first = True
    pair.connect()
    pair.settle()
    for _ in range(500):
        pair.a.append(EPOCHS["a"], "room:1", size=1_000)
        pair.a.work()
        if pair.a.out:
            pair.b.receive(pair.a.out.popleft())
        if pair.b.out:
            pair.a.receive(pair.b.out.popleft())
        if len(pair.b.todo) > 3:
            pair.b.work()
    pair.settle()
    assert (pair.b.seen["room:1"], pair.b.duplicates) == (500, 0)
    pair.b.append(EPOCHS["b"], "room:1")
    assert [page.positions[0].epoch for page in frames(pair.b, Cursors)[1:]] == [EPOCHS["b"]]


def test_many_chains_are_told_in_pages():
    pair = Pair()
    for n in range(2 * CURSORS_PER_FRAME + 1):
        pair.a.append(seed(str(n)), "room:1")
    pair.connect()
    pair.settle()
    pages = frames(pair.a, Cursors)
    assert [(len(page.positions), page.more) for page in pages] == [(1000, True), (1000, True), (1, False)]
    assert pair.b.log == pair.a.log


def test_live_push_reads_at_once_when_the_sender_is_caught_up():
    pair = Pair()
    pair.a.append(EPOCHS["a"], "room:1")
    pair.connect()
    pair.settle()
    head = ChainPosition(EPOCHS["a"], "room:1", 2, NO_EVENT)
    [effect] = pair.a.session.advanced(head)
    assert effect == fx.ReadChain(EPOCHS["a"], "room:1", 1, FRAME_EVENTS, 256 * 1024)
    assert pair.a.session.advanced(head) == []
    [sent] = pair.a.session.chain_read(EPOCHS["a"], "room:1", [(2, b"two")])
    assert decode_frame(sent.data) == Events(b"\0\0\0\x03two")


def test_acks_tell_what_is_durable_there():
    pair = Pair()
    pair.connect()
    pair.settle()
    pair.a.append(EPOCHS["a"], "room:1")
    assert pair.a.session.lag == 1
    pair.settle()
    assert pair.a.session.lag == 0
    [acked] = [effect for effect in pair.a.effects if isinstance(effect, fx.Acked)]
    assert acked.positions == ((EPOCHS["a"], "room:1", 1),)


# --- order, fairness, credit --------------------------------------------------------------------


def test_streams_go_in_the_order_of_the_protocol():
    pair = Pair()
    for stream in STREAMS:
        pair.a.append(EPOCHS["a"], stream)
    pair.connect()
    pair.settle()
    read = [effect.stream for effect in pair.a.effects if isinstance(effect, fx.ReadChain)]
    assert read == ["node", "participant:p", "pair:x", "members:1", "room:1", "room:2"]


def test_a_busy_room_does_not_starve_a_quiet_one():
    pair = Pair()
    for _ in range(3_000):
        pair.a.append(EPOCHS["a"], "room:1")
    pair.connect()
    for _ in range(12):
        pair.step(Random(1))
    for n in range(3):
        pair.a.append(EPOCHS["a"], f"room:quiet{n}")
    pair.settle()
    read = [effect.stream for effect in pair.a.effects if isinstance(effect, fx.ReadChain)]
    quiet = [position for position, stream in enumerate(read) if "quiet" in stream]
    assert len(quiet) == 3
    assert max(quiet) < len(read) - 3


def test_a_receiver_that_stores_nothing_is_sent_no_more_than_its_credit():
    pair = Pair()
    for _ in range(60):
        pair.a.append(EPOCHS["a"], "room:1", 100_000)
    pair.connect()
    for _ in range(200):  # b receives but never works
        pair.a.work()
        for source, to in ((pair.a, pair.b), (pair.b, pair.a)):
            if source.out:
                to.receive(source.out.popleft())
    assert CREDIT_BYTES - 2 * ENVELOPE_MAX < pair.a.most_in_flight <= CREDIT_BYTES
    assert not pair.a.todo
    pair.settle()
    assert pair.a.log == pair.b.log


def test_the_largest_envelopes_pass():
    pair = Pair()
    size = ENVELOPE_MAX - len(event(EPOCHS["a"], "room:1", 24, 70_000)) + 70_000
    for _ in range(40):
        pair.a.append(EPOCHS["a"], "room:1", size)
    assert len(pair.a.log[EPOCHS["a"], "room:1"][39]) == ENVELOPE_MAX
    pair.connect()
    pair.settle()
    assert pair.a.log == pair.b.log


def test_a_batch_that_was_refused_still_returns_its_credit():
    session = opened_alone()
    [delivered] = session.handle(encode_frame(Events(b"rubbish")), NOW)
    assert delivered == fx.Deliver(b"rubbish", 7)
    [sent] = session.durable([], 7)
    assert decode_frame(sent.data) == Ack((), 7)


def test_control_frames_need_no_credit():
    pair = Pair()
    for _ in range(40):
        pair.a.append(EPOCHS["a"], "room:1", 100_000)
    pair.connect()
    for _ in range(100):
        pair.a.work()
        for source, to in ((pair.a, pair.b), (pair.b, pair.a)):
            if source.out:
                to.receive(source.out.popleft())
    [sent] = pair.a.session.want([seed("x")])
    assert decode_frame(sent.data) == Want((seed("x"),))


# --- what may be seen ---------------------------------------------------------------------------


def test_a_withdrawn_stream_stops_at_once_even_when_it_was_read():
    pair = Pair()
    for _ in range(1_000):
        pair.a.append(EPOCHS["a"], "room:1")
        pair.a.append(EPOCHS["a"], "room:2")
    pair.connect()
    while not frames(pair.a, Events):
        pair.step(Random(3))
    pair.a.hidden.add("room:1")
    pair.a.session.withdraw("room:1")
    before = sum(frame.batch.count(b"room:1") for frame in frames(pair.a, Events))
    pair.settle()
    assert sum(frame.batch.count(b"room:1") for frame in frames(pair.a, Events)) == before < 1_000
    assert len(pair.b.log[EPOCHS["a"], "room:2"]) == 1_000
    assert pair.a.session.advanced(ChainPosition(EPOCHS["a"], "room:1", 1_001, seed("x"))) == []


def test_a_stream_that_becomes_visible_later_is_caught_up():
    pair = Pair()
    pair.a.hidden.add("room:1")
    for _ in range(10):
        pair.a.append(EPOCHS["a"], "room:1")
    pair.connect()
    pair.settle()
    assert (EPOCHS["a"], "room:1") not in pair.b.log
    pair.a.hidden.clear()
    pair.a.run(pair.a.session.offer(pair.a.heads()))
    pair.settle()
    assert pair.a.log == pair.b.log


def test_nothing_is_pushed_before_the_peer_has_said_what_it_holds():
    session = Session(initiator=False, now=NOW)
    session.offer([ChainPosition(EPOCHS["a"], "room:1", 5, seed("five"))])
    session.open(READY)
    opening = session.handle(encode_frame(READY), NOW)
    assert [type(effect) for effect in opening] == [fx.Control, fx.Opened, fx.SendFrame]
    held = Cursors((ChainPosition(EPOCHS["a"], "room:1", 3, seed("three")),), more=True)
    assert session.handle(encode_frame(held), NOW) == [fx.ComparePosition(EPOCHS["a"], "room:1", 3, seed("three"))]
    [read] = session.handle(encode_frame(Cursors((), more=False)), NOW)
    assert (read.stream, read.after_seq) == ("room:1", 3)


def test_nothing_is_told_before_the_first_offer():
    session = Session(initiator=False, now=NOW)
    session.open(READY)
    assert [type(effect) for effect in session.handle(encode_frame(READY), NOW)] == [fx.Control, fx.Opened]
    assert session.resend(ChainPosition(EPOCHS["a"], "room:1", 0, NO_EVENT)) == []
    [sent] = session.offer([])
    assert decode_frame(sent.data) == Cursors((), more=False)


# --- forks --------------------------------------------------------------------------------------


def fork_session(head_seq: int) -> Session:
    session = Session(initiator=False, now=NOW)
    session.offer([ChainPosition(EPOCHS["a"], "room:1", head_seq, seed("ours"))])
    session.open(READY)
    session.handle(encode_frame(READY), NOW)
    return session


def cursor(seq: int, event_id: bytes) -> bytes:
    return encode_frame(Cursors((ChainPosition(EPOCHS["a"], "room:1", seq, event_id),), more=False))


def test_another_id_at_our_head_is_a_fork_and_stops_the_chain():
    session = fork_session(5)
    assert session.handle(cursor(5, seed("theirs")), NOW) == [
        fx.ForkSeen(EPOCHS["a"], "room:1", 5, seed("theirs")),
    ]
    assert session.advanced(ChainPosition(EPOCHS["a"], "room:1", 6, seed("six"))) == []
    [compare, read] = session.handle(cursor(4, seed("four")), NOW)
    assert isinstance(compare, fx.ComparePosition)
    assert read.after_seq == 4


def test_the_same_id_at_our_head_is_no_effect():
    assert fork_session(5).handle(cursor(5, seed("ours")), NOW) == []


def test_a_position_below_our_head_is_compared_by_the_node_which_may_hold_the_chain():
    session = fork_session(5)
    [compare, read] = session.handle(cursor(2, seed("other two")), NOW)
    assert compare == fx.ComparePosition(EPOCHS["a"], "room:1", 2, seed("other two"))
    session.hold_chain(EPOCHS["a"], "room:1", seed("other two"))
    assert session.chain_read(read.epoch, read.stream, [(3, b"three")]) == []
    [again] = session.handle(cursor(2, seed("other two")), NOW)
    assert isinstance(again, fx.ComparePosition)


def test_a_cursor_that_came_before_our_offer_is_compared_when_it_comes():
    session = opened_alone()
    assert session.handle(cursor(5, seed("theirs")), NOW) == []
    effects = session.offer([ChainPosition(EPOCHS["a"], "room:1", 5, seed("ours"))])
    assert effects[0] == fx.ForkSeen(EPOCHS["a"], "room:1", 5, seed("theirs"))


def test_what_the_peer_named_last_is_its_claim():
    session = fork_session(5)
    session.handle(cursor(7, seed("seven")), NOW)
    session.handle(cursor(6, seed("six")), NOW)
    assert session.claims() == [ChainPosition(EPOCHS["a"], "room:1", 6, seed("six"))]


# --- reads --------------------------------------------------------------------------------------


def test_a_later_cursor_moves_the_position_and_voids_the_read():
    session = fork_session(9)
    [read] = session.handle(encode_frame(Cursors((), more=False)), NOW)
    assert read.after_seq == 0
    session.handle(cursor(4, seed("four")), NOW)
    [again] = session.chain_read(read.epoch, read.stream, [(1, b"one")])
    assert again.after_seq == 4


def test_a_log_that_holds_less_than_told_is_not_read_in_a_circle():
    session = fork_session(9)
    [read] = session.handle(encode_frame(Cursors((), more=False)), NOW)
    assert session.chain_read(read.epoch, read.stream, []) == []
    [again] = session.advanced(ChainPosition(read.epoch, read.stream, 10, seed("ten")))
    assert again.after_seq == 0


def test_answers_to_no_read_out_of_order_or_too_large_are_the_callers_mistake():
    session = fork_session(9)
    with pytest.raises(ValueError, match="nobody reads"):
        session.chain_read(EPOCHS["a"], "room:1", [])
    [read] = session.handle(cursor(2, seed("two")), NOW)[1:]
    for entries in ([(2, b"x")], [(3, b"x"), (5, b"y")], [(3, bytes(ENVELOPE_MAX + 1))]):
        with pytest.raises(ValueError, match=r"envelope|order"):
            session.chain_read(EPOCHS["a"], "room:1", entries)
    [sent] = session.chain_read(read.epoch, read.stream, [(n, b"x") for n in range(3, 10)])
    assert isinstance(decode_frame(sent.data), Events)


# --- wants --------------------------------------------------------------------------------------


def test_wanted_events_come_by_id():
    pair = Pair()
    pair.a.hidden.add("room:1")
    pair.a.append(EPOCHS["a"], "room:1")
    pair.connect()
    pair.settle()
    pair.b.run(pair.b.session.want([pair.a.head(EPOCHS["a"], "room:1").id]))
    pair.settle()
    assert pair.b.log == pair.a.log


def test_answers_beyond_the_bound_are_dropped_and_counted():
    session = opened_alone()
    effects = session.send_events([bytes(100_000)] * 80)
    sent = sum(len(decode_frame(effect.data).batch) for effect in effects)
    assert sent <= CREDIT_BYTES
    assert session.answers_dropped == 80 - 41


# --- peers that misbehave -----------------------------------------------------------------------


def test_a_peer_that_overruns_its_credit_is_closed():
    session = opened_alone()
    batch = encode_frame(Events(bytes(CREDIT_BYTES // 8)))
    for _ in range(8):
        assert isinstance(session.handle(batch, NOW)[0], fx.Deliver)
    assert code_of(session.handle(encode_frame(Events(b"x")), NOW)) == "credit_overrun"
    assert session.handle(batch, NOW) == []


def test_a_peer_that_returns_credit_which_it_never_had_is_closed():
    assert code_of(opened_alone().handle(encode_frame(Ack((), 1)), NOW)) == "credit_overrun"


def test_a_peer_that_names_too_many_chains_is_closed(monkeypatch):
    monkeypatch.setattr(positions_module, "CHAINS_MAX", 100)
    session = opened_alone()
    many = tuple(ChainPosition(sha256(encode(n)), "room:1", 1, seed("x")) for n in range(101))
    assert session.handle(encode_frame(Cursors(many[:100], more=False)), NOW) == []
    assert code_of(session.handle(encode_frame(Cursors(many[100:], more=False)), NOW)) == "too_many_chains"


def test_a_peer_that_floods_cursors_is_closed():
    session = opened_alone()
    page = encode_frame(Cursors((ChainPosition(EPOCHS["a"], "room:1", 1, seed("x")),) * CURSORS_PER_FRAME, more=True))
    codes = []
    for _ in range(200):
        effects = session.handle(page, NOW)
        codes += [effect.code for effect in effects if isinstance(effect, fx.Close)]
    assert codes == ["too_many_frames"]


def test_events_and_acks_are_bounded_by_credit_and_not_by_number():
    pace = PeerPace()
    for name, frame in (("events", Events(b"x")), ("ack", Ack((), 0)), ("ping", Ping(1))):
        for _ in range(ASKS_BURST + 1):
            pace.check(name, frame, NOW)
    for _ in range(ASKS_BURST):
        pace.check("missing", Missing(()), NOW)
    with pytest.raises(TooFast):
        pace.check("missing", Missing(()), NOW)


def test_more_chains_than_a_link_serves_are_the_callers_mistake():
    session = opened_alone()
    heads = [ChainPosition(sha256(encode(n)), "room:1", 1, seed("x")) for n in range(65_537)]
    with pytest.raises(ValueError, match="65536"):
        session.offer(heads)
    assert session.lag == 0


def test_giving_back_more_than_came_is_the_callers_mistake():
    session = opened_alone()
    session.handle(encode_frame(Events(b"x")), NOW)
    with pytest.raises(ValueError, match="given back"):
        session.durable([], 2)
    assert len(session.durable([], 1)) == 1
