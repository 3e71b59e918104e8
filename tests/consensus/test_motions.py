"""Motions: what a quorum of the members approves, and no fewer."""

import pytest

from foedus.base.cbor import Malformed, NotCanonical, decode, encode
from foedus.consensus.board import Board, first_ledger, next_ledger
from foedus.consensus.founding import successor
from foedus.consensus.machine import KeyValue
from foedus.consensus.motions import APPROVED_KEPT, OPEN_PER_MEMBER, motion_id
from tests.consensus.test_machine import put, update
from tests.consensus.world import membership_of, public

FOUR = membership_of(4)


def approves(board, index, motion, membership=FOUR):
    device = membership.members[index].ed25519
    return decode(board.apply(1, update({"op": "approve", "motion": motion}, device=device)))[0]


def test_a_motion_is_approved_by_a_quorum_of_different_members():
    board = Board(KeyValue(), FOUR)
    assert approves(board, 0, b"m") == "asked"
    assert approves(board, 0, b"m") == "asked"
    assert approves(board, 1, b"m") == "asked"
    assert approves(board, 2, b"other") == "asked"
    assert not board.motions.is_approved(motion_id(b"m"))
    assert approves(board, 3, b"m") == "approved"
    assert board.motions.is_approved(motion_id(b"m"))
    assert approves(board, 1, b"m") == "approved"
    assert [motion for motion, _ in board.motions.open()] == [b"other"]


def test_nobody_else_approves():
    board = Board(KeyValue(), FOUR)
    asked = update({"op": "approve", "motion": b"m"}, device=public("client"))
    assert decode(board.apply(1, asked)) == ["not_permitted", None]
    assert decode(board.apply(1, update({"op": "approve", "motion": b""}))) == ["malformed", None]
    assert decode(board.apply(1, put("k", b"1"))) == ["done", None]


def test_the_state_holds_what_is_open_and_what_is_approved():
    ledger = first_ledger(FOUR)
    board = ledger.machine
    before = board.root()
    approves(board, 2, b"open")
    for index in range(3):
        approves(board, index, b"done")
    restored = board.restored(board.snapshot())
    assert restored.root() == board.root() != before
    assert list(restored.motions.open()) == [(b"open", (2,))]
    later = successor(FOUR, FOUR.members)
    following = next_ledger(ledger, later).machine
    assert following.motions.is_approved(motion_id(b"done"))
    assert not list(following.motions.open())


def test_one_member_can_fill_its_own_share_alone():
    board = Board(KeyValue(), FOUR)
    approves(board, 1, b"of another")
    for number in range(OPEN_PER_MEMBER + 5):
        approves(board, 0, b"%d" % number)
    held = [motion for motion, _ in board.motions.open()]
    assert held == [b"of another", *(b"%d" % number for number in range(5, OPEN_PER_MEMBER + 5))]
    for number in range(APPROVED_KEPT + 1):
        for index in range(3):
            approves(board, index, b"approved %d" % number)
    assert not board.motions.is_approved(motion_id(b"approved 0"))
    assert board.motions.is_approved(motion_id(b"approved 1"))
    assert board.restored(board.snapshot()).root() == board.root()


@pytest.mark.parametrize(
    "state", [b"", b"\xff", encode([1, 2]), encode([b"", [[], []]]), encode([b"", [[[b"m", []]], []]])]
)
def test_a_state_that_is_none_is_refused(state):
    with pytest.raises((Malformed, NotCanonical)):
        Board(KeyValue(), FOUR).restored(state)
