"""The book over many peers: bounds, trust, names, storage."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from foedus.base.errors import UsageError
from foedus.base.limits import PEERS_MAX, PENDING_REQUESTS_MAX
from foedus.trust import effects as do
from foedus.trust import inputs as hear
from foedus.trust.peer import DamagedPeer, Peer, State, decode_peer, encode_peer
from foedus.trust.peering import Peering, TooManyPeers
from foedus.trust.rules import TooManyRequests
from foedus.trust.tiers import Tier
from tests.trust.books import Link, Node, ask, connected, pair


def ask_of(asker: Node, asked: Node) -> hear.RequestReceived:
    return asker.frame(asker.handle(asked.id, ask())[-1])


def filled(state: State, count: int, node: Node) -> Peering:
    peers = [Peer(node=i.to_bytes(32, "big"), state=state, since=i, draft=b"") for i in range(1, count + 1)]
    return Peering(node.id, node.key, node.signers, peers=peers)


def kinds(effects: list[do.Effect]) -> list[type[do.Effect]]:
    return [type(effect) for effect in effects]


def test_who_looks_at_the_peers_sees_what_was_read_again_from_the_disk():
    node = Node(1)
    book = filled(State.CONNECTED, 2, node)
    seen = book.peers
    book.replace(filled(State.DISCONNECTED, 1, node))
    assert [peer.state for peer in seen.values()] == [State.DISCONNECTED]
    assert book.peers is seen
    assert book.peer(next(iter(seen))).state is State.DISCONNECTED


@pytest.mark.parametrize("by", ["key", "id"])
def test_a_trusted_node_is_accepted_without_a_prompt(by):
    link = pair()
    link.other.trust(link.one.key.public if by == "key" else link.one.id, Tier.SANDBOX)
    link.act(link.one, ask())
    link.settle()
    assert link.states() == (State.CONNECTED, State.CONNECTED)
    assert link.peer_at(link.other).tier is Tier.SANDBOX
    assert do.AskHuman not in kinds(link.seen)


def test_trusting_accepts_the_request_that_waits():
    link = pair()
    link.act(link.one, ask())
    link.settle()
    effects = link.other.trust(link.one.key.public, Tier.CORE)
    assert kinds(effects) == [do.SaveTrusted, do.Save, do.SendAccepted]


def test_trust_taken_back_asks_the_human_again():
    link = pair()
    link.other.trust(link.one.key.public, Tier.CORE)
    assert link.other.book.untrust(link.one.key.public) == [do.SaveTrusted({})]
    assert link.other.book.untrust(link.one.key.public) == []
    link.act(link.one, ask())
    link.settle()
    assert link.peer_at(link.other).state is State.INCOMING


def test_ignoring_ends_trust_and_trusting_ends_the_silence():
    link = pair()
    link.act(link.one, ask())
    link.settle()
    link.other.book.trust(bytes(32), Tier.CORE, 0)
    link.act(link.other, hear.HumanIgnore())
    assert link.other.trust(link.one.id, Tier.CORE) == [do.SaveTrusted({bytes(32): Tier.CORE, link.one.id: Tier.CORE})]
    link.reopen()
    link.settle()
    assert link.states() == (State.CONNECTED, State.CONNECTED)
    link.act(link.other, hear.HumanDisconnect())
    assert kinds(link.other.handle(link.one.id, hear.HumanIgnore()))[0] is do.SaveTrusted
    assert link.one.id not in link.other.book.trusted


@pytest.mark.parametrize("bad", [b"short", bytes(33)])
def test_a_key_that_is_none_is_not_trusted(bad):
    with pytest.raises(UsageError):
        pair().one.trust(bad, Tier.CORE)


def test_the_list_of_trusted_keys_is_bounded():
    node = Node(1)
    full = {i.to_bytes(32, "big"): Tier.CORE for i in range(PEERS_MAX)}
    book = Peering(node.id, node.key, (), trusted=full)
    with pytest.raises(TooManyPeers):
        book.trust(bytes([255]) * 32, Tier.CORE, 0)
    assert book.trusted == full


def test_a_known_name_with_another_key_is_a_stranger_and_the_human_is_warned():
    link = connected(1, 2)
    bank, impostor = link.one, Node(3, "  N\u041eDE\u200b \uff11 ")
    request = ask_of(impostor, link.other)
    effects = link.other.handle(impostor.id, request)
    assert isinstance(effects[-1], do.AskHuman)
    assert effects[-1].request.name_clash == (bank.id,)
    assert effects[-1].request.peer.node == impostor.id
    assert [pending.name_clash for pending in link.other.book.pending()] == [(bank.id,)]


def test_another_name_clashes_with_nobody():
    link = connected(1, 2)
    effects = link.other.handle(Node(3).id, ask_of(Node(3), link.other))
    assert effects[-1].request.name_clash == ()


def test_waiting_requests_are_bounded_and_the_stranger_is_told():
    node, stranger = Node(1), Node(2)
    node.book = filled(State.INCOMING, PENDING_REQUESTS_MAX, node)
    with pytest.raises(TooManyRequests) as refused:
        node.handle(stranger.id, ask_of(stranger, node))
    assert refused.value.http_status == 429
    assert stranger.id not in node.book.peers


def test_the_bound_holds_for_peers_too_and_ends_their_connection():
    link = connected()
    waiting = filled(State.INCOMING, PENDING_REQUESTS_MAX, link.one).peers.values()
    link.one.book = Peering(link.one.id, link.one.key, (), peers=[*waiting, link.peer_at(link.one)])
    request = ask_of(Node(2), link.one)
    assert kinds(link.one.handle(link.other.id, request)) == [do.Save, do.BecameDisconnected]


def test_a_full_book_forgets_who_is_nothing_to_it_before_it_refuses():
    node, stranger = Node(1), Node(2)
    node.book = filled(State.DECLINED, PEERS_MAX, node)
    effects = node.handle(stranger.id, ask_of(stranger, node))
    assert effects[0] == do.Forget((1).to_bytes(32, "big"))
    assert kinds(effects) == [do.Forget, do.Save, do.AskHuman]
    assert len(node.book.peers) == PEERS_MAX


def test_a_book_full_of_peers_takes_no_more_and_stays_as_it_is():
    node, stranger = Node(1), Node(2)
    node.book = filled(State.CONNECTED, PEERS_MAX, node)
    with pytest.raises(TooManyPeers):
        node.handle(stranger.id, ask_of(stranger, node))
    assert len(node.book.peers) == PEERS_MAX


def test_ones_own_id_is_no_peer():
    node = Node(1)
    with pytest.raises(UsageError):
        node.handle(node.id, ask())


def test_pending_requests_come_oldest_first():
    node = Node(1)
    for number in (5, 3, 4):
        node.handle(Node(number).id, ask_of(Node(number), node))
    assert [request.peer.node[0] for request in node.book.pending()] == [5, 3, 4]


def test_a_stored_peer_comes_back_as_it_was():
    peer = connected().peer_at(connected().one)
    assert decode_peer(encode_peer(peer)) == peer
    full = replace(peer, endpoints=("http://a", "http://b"), former_tier=Tier.EXTERNAL, is_paused=True)
    assert decode_peer(encode_peer(full)) == full


@pytest.mark.parametrize("data", [b"", b"\xff", b"\xa0", encode_peer(Peer(node=bytes(32)))[:-1]])
def test_a_damaged_peer_is_said_to_be_damaged(data):
    with pytest.raises(DamagedPeer):
        decode_peer(data)


def test_a_crash_between_saving_and_saying_is_made_good():
    link: Link = pair()
    link.act(link.one, ask(), stop_after=1)
    link.reopen()
    link.settle()
    assert link.states() == (State.REQUESTED, State.INCOMING)


def test_a_book_that_was_read_again_shows_what_was_read():
    link = connected()
    book, shown = link.one.book, link.one.book.peers
    book.replace(Peering(link.one.id, link.one.key, (), trusted={b"k" * 32: Tier.CORE}))
    assert book.peers is shown
    assert not shown
    assert book.trusted == {b"k" * 32: Tier.CORE}
