"""What one member of a council can make another hold and do is bounded, whatever it says."""

import pytest

from foedus.base.errors import PeerViolation
from foedus.base.ids import sha256
from foedus.base.limits import COUNCIL_MESSAGE_MAX, SECOND
from foedus.consensus.governing import consent_bytes
from foedus.consensus.membership import MEMBERS_MAX, Member
from foedus.consensus.messages import NewView, Status, Vote, WantState
from foedus.crypto.ed25519 import Ed25519Key
from foedus.node.council_inbox import INBOX_BYTES_MAX, INBOX_MESSAGES_MAX, PER_SECOND, Inbox
from foedus.node.council_messages import ITEM_BYTES, PIECE_BYTES, Consent, Piece, message_max, pieces, read, write
from foedus.node.council_pieces import Pieces
from foedus.node.council_wishes import CONSENTS_MAX, Consents
from tests.consensus.world import membership_of

VOTE = Vote("commit", 0, 1, bytes(32), 0, bytes(64))


def whole(limit, parts):
    held = Pieces(limit)
    return [held.take(part) for part in parts], held


def test_a_message_that_no_frame_holds_comes_in_pieces():
    data = bytes(range(256)) * 8_192
    parts = [read(piece) for piece in pieces(data)]
    assert all(len(write(part)) <= COUNCIL_MESSAGE_MAX for part in parts)
    taken, _ = whole(len(data), parts)
    assert taken == [*[None] * (len(parts) - 1), data]


def test_pieces_out_of_order_or_beyond_the_limit_hold_nothing():
    parts = [read(piece) for piece in pieces(bytes(PIECE_BYTES * 3))]
    taken, held = whole(PIECE_BYTES * 3, [parts[0], parts[2], parts[1], parts[0], parts[0], parts[1], parts[2]])
    assert [it is not None for it in taken] == [False] * 6 + [True]
    assert held.dropped == 2
    taken, held = whole(PIECE_BYTES * 2, parts)
    assert taken == [None, None, None]
    assert held._bytes == 0
    with pytest.raises(ValueError, match="larger than any"):
        pieces(bytes(PIECE_BYTES * 65))


def test_the_bound_of_a_message_holds_the_largest_honest_one():
    assert message_max(membership_of(4)) == COUNCIL_MESSAGE_MAX
    assert COUNCIL_MESSAGE_MAX < message_max(membership_of(MEMBERS_MAX)) < 64 * PIECE_BYTES


def test_an_inbox_holds_so_many_messages_and_bytes_and_one_larger_one():
    inbox = Inbox()
    taken = sum(inbox.put(VOTE, 200, 0) for _ in range(2 * INBOX_MESSAGES_MAX))
    assert taken == INBOX_MESSAGES_MAX
    inbox = Inbox()
    assert sum(inbox.put(VOTE, 500_000, 0) for _ in range(20)) == INBOX_BYTES_MAX // 500_000
    large = NewView(1, (), (), bytes(64))
    assert inbox.put(large, INBOX_BYTES_MAX + 1, 0)
    assert not inbox.put(large, INBOX_BYTES_MAX + 1, 0)


async def test_a_large_message_that_was_read_makes_room_for_the_next():
    inbox = Inbox()
    large = NewView(1, (), (), bytes(64))
    for _ in range(3):
        assert inbox.put(large, INBOX_BYTES_MAX + 1, 0)
        assert await inbox.get() == large


@pytest.mark.parametrize("question", [Status(0, True, 0, 0), WantState(8, 0)])
def test_questions_are_looked_at_as_often_as_an_honest_member_asks(question):
    inbox, rate = Inbox(), PER_SECOND[type(question)]
    at_once = sum(inbox.put(question, 20, 100 * SECOND) for _ in range(10 * rate))
    assert at_once == 2 * rate
    later = sum(inbox.put(question, 20, 101 * SECOND) for _ in range(10 * rate))
    assert later == rate
    assert inbox.put(VOTE, 200, 101 * SECOND)


def test_what_has_more_values_than_bytes_allow_is_refused_before_it_is_read():
    data = b"\x81" * 10 + b"\x9a\x00\x08\x00\x00" + b"\xf6" * 0x80000
    with pytest.raises(PeerViolation):
        read(data)
    assert len(data) // ITEM_BYTES < 0x80000


def test_consents_are_bounded_and_of_this_epoch():
    membership = membership_of(4)
    held = Consents()
    for number in range(CONSENTS_MAX + 5):
        key = Ed25519Key(number.to_bytes(32, "big"))
        member = Member(sha256(b"%d" % number), key.public)
        consent = Consent(membership.id, member, key.sign(consent_bytes(membership, member)))
        assert held.add(membership, consent) is (number < CONSENTS_MAX)
        assert not held.add(membership, consent)
    assert not held.add(membership_of(4, epoch=1), consent)
    assert held.of(membership, sha256(b"0")) is None
    forged = Consent(membership.id, member, bytes(64))
    assert not held.add(membership, forged)


def test_a_piece_says_how_many_there_are():
    with pytest.raises(PeerViolation):
        read(write(Piece(0, 1, b"x")))
