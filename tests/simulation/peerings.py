"""Nodes that are connected before a simulation begins: both books run against each other, without a link."""

from foedus.base.ids import sha256
from foedus.crypto.ed25519 import Ed25519Key
from foedus.identity.did import did_of
from foedus.log.port import Commit, Value
from foedus.node.peers import PEERS
from foedus.trust import effects as do
from foedus.trust import inputs as hear
from foedus.trust.peer import encode_peer
from foedus.trust.peering import Peering
from foedus.trust.tiers import Tier


def human_key(place):
    """Return the device key of the human at a place, whom its agreements name."""
    return Ed25519Key(sha256(b"human", str(place).encode()))


def connect(one, other, now):
    """Store a finished request and acceptance of two places on both disks."""
    sides = [_Side(one, now), _Side(other, now)]
    asker, accepter = sides
    asker.tell(accepter, hear.HumanRequest(Tier.CORE, bytes(32), url=other.url, is_confirmed=True))
    asker.tell(accepter, hear.LinkOpened(accepter.key))
    accepter.tell(asker, hear.HumanAccept(Tier.CORE))
    for side, them in (sides, sides[::-1]):
        peer = side.book.peer(them.place.node)
        assert peer.state.value == "connected", peer
        side.place.disk.log.commit(Commit(values=[Value(PEERS, peer.node, encode_peer(peer))]))


class _Side:
    def __init__(self, place, now):
        self.place = place
        self.now = now
        self.key = place.disk.keys.ed25519.public
        self.book = Peering(place.node, place.disk.keys.ed25519, [did_of(human_key(place).public)])

    def tell(self, them, received):
        """Give an input, and the frames that follow from it to the other side."""
        for effect in self.book.handle(them.place.node, received, self.now):
            heard = self._heard(effect)
            if heard is not None:
                them.tell(self, heard)

    def _heard(self, effect):
        match effect:
            case do.SendRequest(note=note, agreement=agreement, signature=signature):
                urls = (self.place.url,)
                return hear.RequestReceived(str(self.place), note, urls, agreement, signature, self.key, "10.0.0.1")
            case do.SendAccepted(tier=tier, agreement=agreement, signature=signature):
                return hear.AcceptedReceived(str(self.place), tier, agreement, signature, self.key)
            case do.SendConfirmed(signature=signature):
                return hear.ConfirmedReceived(signature, self.key)
        return None
