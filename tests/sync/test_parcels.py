"""Frames without a link: taken once and in order, whatever is lost, late or repeated on the way."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from foedus.base.cbor import Malformed, encode
from foedus.sync.frames.codec import encode_frame
from foedus.sync.frames.keeping import Ping
from foedus.sync.frames.questions import Cancel, Query
from foedus.sync.parcels import (
    FRAMES_MAX,
    PARCEL_FRAMES_BYTES,
    PARCEL_MAX,
    Heard,
    Parcel,
    Talk,
    TalkBroken,
    decode_parcel,
    encode_parcel,
    read_frames,
)


def cancel(number):
    return Cancel(number.to_bytes(32, "big"))


def large(number):
    return Query(
        bytes(24_576), None, bytes(64), tuple(bytes(100_000) for _ in range(4)), (number.to_bytes(32, "big"),), 1
    )


def say(talk, *frames):
    for frame in frames:
        talk.put(encode_frame(frame))


def hear(talk, parcel):
    again = decode_parcel(encode_parcel(parcel))
    assert again == parcel
    return talk.hear(again, read_frames(again))


STEPS = st.lists(st.tuples(st.sampled_from(["say", "send", "arrive", "again"]), st.booleans(), st.integers(0, 9)))


@given(STEPS)
def test_what_is_lost_repeated_or_overtaken_is_heard_once_and_in_order(steps):
    sides = {True: Talk(7), False: Talk(9)}
    said, heard = {True: [], False: []}, {True: [], False: []}
    under_way = []
    for what, side, which in steps:
        if what == "say":
            said[side].append(cancel(len(said[side])))
            say(sides[side], said[side][-1])
        elif what == "send":
            under_way.append((not side, sides[side].parcel()))
        elif under_way:
            place = which % len(under_way)
            to, parcel = under_way[place] if what == "again" else under_way.pop(place)
            heard[to] += hear(sides[to], parcel)
    for side in (True, False, True, False):
        heard[not side] += hear(sides[not side], sides[side].parcel())
    assert (heard[True], heard[False]) == (said[False], said[True])
    assert [len(talk) for talk in sides.values()] == [0, 0]
    assert [talk.size for talk in sides.values()] == [0, 0]


def test_a_parcel_holds_no_more_than_a_receiver_takes():
    talk, other = Talk(1), Talk(2)
    frames = [large(number) for number in range(3)]
    say(talk, *frames)
    parcels = 0
    taken = []
    while len(talk):
        parcel = talk.parcel()
        assert 0 < sum(map(len, parcel.frames)) <= PARCEL_FRAMES_BYTES
        assert len(encode_parcel(parcel)) <= PARCEL_MAX
        taken += hear(other, parcel)
        hear(talk, other.parcel())
        parcels += 1
    assert (taken, parcels) == (frames, 3)
    say(talk, *(cancel(number) for number in range(FRAMES_MAX + 1)))
    assert len(talk.parcel().frames) == FRAMES_MAX
    assert talk.parcel(is_full=False).frames == ()


def test_who_forgot_is_told_and_nothing_is_taken():
    talk, other = Talk(1), Talk(2)
    say(talk, cancel(1))
    hear(other, talk.parcel())
    hear(talk, other.parcel())
    say(talk, cancel(2))
    again = Talk(3)  # the other was restarted
    with pytest.raises(TalkBroken):
        hear(again, talk.parcel())
    assert again.theirs is None
    assert again.parcel().heard is None
    with pytest.raises(TalkBroken):
        hear(talk, again.parcel())
    assert hear(again, Talk(4).parcel()) == []


def test_what_is_heard_of_another_talk_drops_nothing():
    talk = Talk(5)
    say(talk, cancel(1))
    hear(talk, Parcel(9, 1, (), Heard(4, 1)))
    assert len(talk) == 1
    hear(talk, Parcel(9, 1, (), Heard(5, 1_000)))
    assert (len(talk), talk.parcel().first) == (0, 2)


def test_what_is_no_parcel_is_refused():
    parcel = Parcel(1, 1, (encode_frame(cancel(1)),), None)
    plain = {"talk": 1, "first": 1, "frames": [encode_frame(cancel(1))], "heard": None}
    assert decode_parcel(encode(plain)) == parcel
    for changes in (
        {"first": 0}, {"talk": -1}, {"frames": [b""]}, {"frames": "x"}, {"heard": [1]}, {"more": 1},
        {"frames": [b"\x00"] * (FRAMES_MAX + 1)},
    ):  # fmt: skip
        with pytest.raises(Malformed):
            decode_parcel(encode(plain | changes))
    with pytest.raises(Malformed) as large_one:
        decode_parcel(bytes(PARCEL_MAX + 1))
    assert large_one.value.code == "too_large"
    with pytest.raises(Malformed) as barred:
        read_frames(replace(parcel, frames=(encode_frame(Ping(1)),)))
    assert barred.value.code == "not_permitted"
