"""Greetings, control frames, keep-alive and the end of a session."""

from __future__ import annotations

from copy import deepcopy

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from foedus.base.limits import (
    HANDSHAKE_TIMEOUT,
    KEEPALIVE_INTERVAL,
    KEEPALIVE_TIMEOUT,
    REHANDSHAKE_INTERVAL,
    SECOND,
)
from foedus.sync import effects as fx
from foedus.sync.frames.codec import decode_frame, encode_frame, frame_type
from foedus.sync.frames.events import ChainPosition
from foedus.sync.frames.keeping import Bye, Ping, Pong
from foedus.sync.frames.peering import Ended, Introduction, Pending, Ready, Refused
from foedus.sync.keepalive import FRAMES_BEFORE_REKEY
from foedus.sync.session import Session
from foedus.sync.transitions import BY_SESSION, SYNC, VOICE, Voice
from tests.sync.nodes import NOW, seed
from tests.sync.pairs import READY, Pair
from tests.sync.test_frames import EXAMPLES

PENDING, REFUSED = Pending(), Refused("not_wanted", ())
FRAMES = {frame_type(frame): frame for frame, _ in EXAMPLES}


def sent(effects):
    return [decode_frame(effect.data) for effect in effects if isinstance(effect, fx.SendFrame)]


def kinds(effects):
    return [type(effect) for effect in effects]


def closed_with(effects):
    assert isinstance(effects[-1], fx.Close)
    return effects[-1].code


def session_in(ours: Voice, theirs: Voice) -> Session:
    """A responder where both sides have said so much. The peer speaks second."""
    session = Session(initiator=False, now=NOW)
    words = {Voice.PENDING: PENDING, Voice.READY: READY}
    if ours in words:
        session.open(words[ours])
    if theirs in words:
        session.handle(encode_frame(words[theirs]), NOW)
    assert (session.ours, session.theirs) == (ours, theirs)
    return session


# --- greetings ----------------------------------------------------------------------------------


def test_the_responder_speaks_first_and_the_initiator_waits():
    one, other = Session(initiator=True, now=NOW), Session(initiator=False, now=NOW)
    assert one.open(READY) == []
    [ready] = sent(other.open(READY))
    effects = one.handle(encode_frame(ready), NOW)
    assert kinds(effects) == [fx.Control, fx.SendFrame, fx.Opened]
    assert effects[0].frame == READY
    assert kinds(other.handle(effects[1].data, NOW)) == [fx.Control, fx.Opened]
    assert one.is_open
    assert other.is_open


def test_an_initiator_whose_node_is_slow_greets_when_told():
    one = Session(initiator=True, now=NOW)
    assert kinds(one.handle(encode_frame(READY), NOW)) == [fx.Control]
    assert kinds(one.open(READY)) == [fx.SendFrame, fx.Opened]


def test_an_initiator_that_speaks_first_is_closed():
    other = Session(initiator=False, now=NOW)
    assert closed_with(other.handle(encode_frame(READY), NOW)) == "unexpected_frame"


def test_a_refusal_brings_its_records_and_closes_both():
    refusal = Refused("superseded", (FRAMES["records"].records[0],))
    other = Session(initiator=False, now=NOW)
    effects = other.open(refusal)
    assert effects[-1] == fx.Close("refused", "superseded")
    one = Session(initiator=True, now=NOW)
    [control, close] = one.handle(effects[0].data, NOW)
    assert control == fx.Control(refusal)
    assert close == fx.Close("peer_refused", "superseded")
    assert one.open(READY) == []


def test_a_pending_peer_becomes_ready_on_the_same_link():
    pair = Pair()
    pair.b.append(seed("e"), "room:1")
    pair.connect(welcome=PENDING)
    pair.settle()
    assert not pair.a.session.is_open
    assert (seed("e"), "room:1") not in pair.a.log
    pair.a.run(pair.a.session.send_control(FRAMES["request"]))
    pair.settle()
    assert fx.Control(FRAMES["request"]) in pair.b.effects
    pair.b.run(pair.b.session.send_control(FRAMES["accepted"]))
    pair.b.run(pair.b.session.become_ready("B", "CORE"))
    pair.a.run(pair.a.session.become_ready("A", "CORE"))
    pair.settle()
    assert pair.a.session.is_open
    assert pair.a.log == pair.b.log != {}


def test_an_initiator_accepted_before_it_greeted_says_ready_at_once():
    one = Session(initiator=True, now=NOW)
    one.open(PENDING)
    assert one.become_ready("A", "CORE") == []
    [ready] = sent(one.handle(encode_frame(PENDING), NOW))
    assert ready == Ready(Introduction("A", "CORE"))


def test_ready_twice_and_greeting_twice_are_the_callers_mistake():
    session = session_in(Voice.READY, Voice.SILENT)
    with pytest.raises(ValueError, match="not pending"):
        session.become_ready("A", "CORE")
    with pytest.raises(ValueError, match="greeted"):
        session.open(PENDING)
    assert session.ours is Voice.READY


# --- the table ----------------------------------------------------------------------------------

VOICES = (Voice.SILENT, Voice.PENDING, Voice.READY)


@pytest.mark.parametrize("name", sorted(FRAMES))
@pytest.mark.parametrize("theirs", VOICES)
@pytest.mark.parametrize("ours", VOICES)
def test_a_frame_is_taken_exactly_where_the_table_has_it(ours, theirs, name):
    if ours is Voice.SILENT and theirs is not Voice.SILENT:
        return  # the responder speaks first
    session = session_in(ours, theirs)
    effects = session.handle(encode_frame(FRAMES[name]), NOW)
    allowed = (theirs, name) in VOICE and (name not in SYNC or ours is theirs is Voice.READY)
    if ours is Voice.SILENT and name in {"ready", "pending"}:
        allowed = False
    unexpected = bool(effects) and isinstance(effects[-1], fx.Close) and effects[-1].code == "unexpected_frame"
    assert unexpected is not allowed
    if unexpected:
        assert sent(effects) == [Bye("unexpected_frame")]
        assert session.is_closed


@pytest.mark.parametrize("name", sorted(FRAMES))
@pytest.mark.parametrize("theirs", VOICES)
@pytest.mark.parametrize("ours", VOICES)
def test_the_node_is_held_to_the_same_table(ours, theirs, name):
    if ours is Voice.SILENT and theirs is not Voice.SILENT:
        return
    session = session_in(ours, theirs)
    allowed = (ours, name) in VOICE and (name not in SYNC or ours is theirs is Voice.READY) and name not in BY_SESSION
    if allowed:
        assert sent(session.send_control(FRAMES[name])) == [FRAMES[name]]
        return
    with pytest.raises(ValueError, match=name):
        session.send_control(FRAMES[name])
    assert (session.ours, session.theirs) == (ours, theirs)


def test_events_and_acks_only_while_open():
    session = session_in(Voice.PENDING, Voice.READY)
    for call in (lambda: session.send_events([]), lambda: session.durable([], 0), lambda: session.want([seed("x")])):
        with pytest.raises(ValueError, match=r"ready|pending"):
            call()


# --- the end ------------------------------------------------------------------------------------


def test_ended_closes_both_sides():
    one = session_in(Voice.READY, Voice.READY)
    other = session_in(Voice.READY, Voice.READY)
    [frame, close] = one.send_control(Ended("no more"))
    assert close == fx.Close("ended", "no more")
    assert other.handle(frame.data, NOW) == [fx.Control(Ended("no more")), fx.Close("peer_ended", "no more")]


def test_bye_says_why():
    one, other = session_in(Voice.READY, Voice.READY), session_in(Voice.READY, Voice.READY)
    [frame, close] = one.close("duplicate", "another link stays")
    assert close == fx.Close("duplicate", "another link stays")
    assert other.handle(frame.data, NOW) == [fx.Close("peer_bye", "duplicate")]


def test_after_the_end_nothing_happens_and_nothing_is_raised():
    session = session_in(Voice.READY, Voice.READY)
    session.offer([ChainPosition(seed("e"), "node", 1, seed("x"))])
    session.close("shutdown")
    position = ChainPosition(seed("e"), "node", 2, seed("y"))
    for effects in (
        session.handle(encode_frame(READY), NOW),
        session.on_deadline(NOW + REHANDSHAKE_INTERVAL),
        session.open(READY),
        session.become_ready("A", "CORE"),
        session.offer([position]),
        session.advanced(position),
        session.resend(position),
        session.withdraw("node"),
        session.hold_chain(seed("e"), "node", seed("x")),
        session.chain_read(seed("e"), "node", []),
        session.durable([position], 7),
        session.want([seed("x")]),
        session.send_events([b"x"]),
        session.send_control(FRAMES["tier"]),
        session.close("again"),
    ):
        assert effects == []
    assert session.next_deadline() is None


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(VOICES), st.sampled_from(VOICES), st.binary(max_size=80))
def test_garbage_closes_with_a_code_in_every_state(ours, theirs, garbage):
    session = session_in(ours, theirs if ours is not Voice.SILENT else Voice.SILENT)
    code = closed_with(session.handle(garbage, NOW))
    assert code in {"non_canonical", "malformed_frame", "unknown_frame", "unexpected_frame"}


@settings(max_examples=300, deadline=None)
@given(st.sampled_from([frame for frame, _ in EXAMPLES]), st.data())
def test_a_changed_byte_in_a_frame_never_raises(frame, data):
    encoded = bytearray(encode_frame(frame))
    encoded[data.draw(st.integers(0, len(encoded) - 1))] ^= data.draw(st.integers(1, 255))
    session_in(Voice.READY, Voice.READY).handle(bytes(encoded), NOW)


def test_a_peer_that_floods_requests_is_closed_and_an_honest_one_is_not():
    session = session_in(Voice.PENDING, Voice.PENDING)
    request = encode_frame(FRAMES["request"])
    for n in range(100):
        assert kinds(session.handle(request, NOW + n * SECOND)) == [fx.Control]
    effects = [effect for _ in range(40) for effect in session.handle(request, NOW + 100 * SECOND)]
    assert closed_with(effects) == "too_many_frames"


# --- time ---------------------------------------------------------------------------------------


def test_a_ping_is_answered_in_every_state():
    for ours in VOICES:
        session = session_in(ours, Voice.SILENT)
        assert sent(session.handle(encode_frame(Ping(7)), NOW)) == [Pong(7, NOW)]


def test_we_ping_each_interval_of_our_silence():
    session, now = session_in(Voice.READY, Voice.READY), NOW
    now = session.next_deadline()
    assert now == NOW + KEEPALIVE_INTERVAL
    assert session.on_deadline(now - 1) == []
    session.on_deadline(now)  # our greeting was sent in this interval
    pings = 0
    for _ in range(4):
        now = session.next_deadline()
        pings += sum(isinstance(frame, Ping) for frame in sent(session.on_deadline(now)))
        session.handle(encode_frame(Pong(1, 1_700_000_000_000_000)), now)
    assert pings == 4
    assert now == NOW + 5 * KEEPALIVE_INTERVAL


def test_we_do_not_ping_while_we_talk():
    session, now = session_in(Voice.READY, Voice.READY), NOW
    for _ in range(4):
        session.send_control(FRAMES["tier"])
        now = session.next_deadline()
        assert session.on_deadline(now) == []
        session.handle(encode_frame(Pong(1, 1_700_000_000_000_000)), now)


def test_silence_of_theirs_closes():
    session = session_in(Voice.READY, Voice.READY)
    session.handle(encode_frame(Pong(1, 1_700_000_000_000_000)), NOW + SECOND)
    deadlines = []
    while not session.is_closed:
        deadlines.append(session.next_deadline())
        effects = session.on_deadline(deadlines[-1])
    assert closed_with(effects) == "keepalive_timeout"
    assert deadlines[-1] == NOW + SECOND + KEEPALIVE_TIMEOUT


def test_a_peer_that_only_pings_and_never_greets_is_closed():
    session = session_in(Voice.PENDING, Voice.SILENT)
    session.handle(encode_frame(Ping(1)), NOW + HANDSHAKE_TIMEOUT - 1)
    assert session.next_deadline() == NOW + HANDSHAKE_TIMEOUT
    assert closed_with(session.on_deadline(NOW + HANDSHAKE_TIMEOUT)) == "greeting_timeout"


def test_keys_live_a_day():
    session = session_in(Voice.READY, Voice.READY)
    for now in range(NOW, NOW + REHANDSHAKE_INTERVAL + 1, KEEPALIVE_INTERVAL):
        session.handle(encode_frame(Pong(1, 1_700_000_000_000_000)), now)
        effects = session.on_deadline(now)
    assert closed_with(effects) == "rekey"
    assert sent(effects) == [Bye("rekey")]


def test_keys_end_before_their_nonces():
    session = session_in(Voice.READY, Voice.READY)
    session._times.frames_received = FRAMES_BEFORE_REKEY - 2
    assert not session.handle(encode_frame(Pong(1, 1_700_000_000_000_000)), NOW)
    assert closed_with(session.handle(encode_frame(Pong(1, 1_700_000_000_000_000)), NOW)) == "rekey"


def test_a_refused_call_leaves_the_session_as_it_was():
    session = session_in(Voice.READY, Voice.READY)
    session.offer([ChainPosition(seed("e"), "node", 1, seed("x"))])
    before = deepcopy(session._times.__dict__)
    for call in (
        lambda: session.send_control(Bye("x")),
        lambda: session.close("Not A Code"),
        lambda: session.durable([], 1),
        lambda: session.chain_read(seed("e"), "room:1", []),
        lambda: session.want([b"short"]),
        lambda: session.send_events([bytes(200_000)]),
    ):
        with pytest.raises(ValueError):  # noqa: PT011  # each has words of its own
            call()
    assert session._times.__dict__ == before
    assert session.is_open
