"""The ear for questions: who passes them on, who answers them, and what is told in results."""

import libipld

from foedus.query.question import id_of, parse_question
from foedus.query.result import parse_result
from foedus.trust.peer import State
from foedus.trust.tiers import Tier, may_query, passes_on

_JUST_NOW_S = 1.0
"""What was judged a moment ago may be on its way still."""
_ROOMS = ("room:", "members:")


class Ear:
    """Checks who passes questions on, and who answers them."""

    def __init__(self, world):
        self._world = world
        self._questions = {}
        self._given = {}
        self.came = set()
        """(question, node): it was sent there."""

    def watch(self, life):
        """Write down what a node thinks of its peers, whenever that changes."""
        peers = life.node.peers
        changed = peers.on_changed

        def noted(node):
            self._note(life, node)
            changed(node)

        peers.on_changed = noted
        for node in peers.book.peers:
            self._note(life, node)

    def _note(self, life, node):
        peer = life.node.peers.book.peers.get(node)
        now = (None, Tier.UNKNOWN, False) if peer is None else (peer.state, peer.tier, peer.is_paused)
        self._given.setdefault((life.place, node), []).append((self._world.loop.time(), now))

    def _gave(self, place, node):
        """Return what a place thinks of a node, and thought a moment ago: (state, tier, whether it is paused)."""
        noted = self._given.get((place, node), [(0.0, (None, Tier.UNKNOWN, False))])
        soon = self._world.loop.time() - _JUST_NOW_S
        before = [at for at, (since, _) in enumerate(noted) if since <= soon]
        return [what for _, what in noted[before[-1] if before else 0 :]]

    def hear(self, sender, receiver, frame):
        if frame[0] == "query":
            self._asked(sender.place, receiver.place, frame)
        elif frame[0] == "results":
            for data, _ in frame[2]:
                self._answered(sender.place, receiver.place, parse_result(data))

    def _asked(self, sender, receiver, frame):
        question, path = parse_question(frame[1]), frame[5]
        query = id_of(frame[1])
        self._questions[query] = question
        self.came.add((query, receiver.node))
        is_way = path[0] == question.node and path[-1] == sender.node and receiver.node not in path
        if not is_way or len(path) > max(1, question.hops):
            self._world.failed(f"{sender} sent {receiver} a question on a wrong way")
        if len(path) > 1 and not self._may_pass_on(sender, path[0], path[-2]):
            self._world.failed(f"{sender} passed on a question to {receiver} that it may not pass on")

    def _may_pass_on(self, place, asker, carrier):
        core = any(self._is_open(it) and passes_on(it[1]) for it in self._gave(place, carrier))
        return core and any(not self._is_open(it) or passes_on(it[1]) for it in self._gave(place, asker))

    def _answered(self, sender, receiver, result):
        question = self._questions.get(result.query)
        source = self._world.place_of(result.node)
        if question is None or (result.query, result.node) not in self.came:
            self._world.failed(f"{sender} sent {receiver} a result of {source}, whom nobody asked")
        elif source is sender and not self._may_answer(sender, question.node, receiver.node):
            self._world.failed(f"{sender} answered {self._world.place_of(question.node)}, who may not ask")
        elif source is sender:
            self._check_shown(sender, question.node, result)

    def _may_answer(self, place, asker, carrier):
        by_carrier = any(self._is_open(it) and may_query(it[1]) for it in self._gave(place, carrier))
        return by_carrier and (asker == carrier or self._may_answer_behind(place, asker, carrier))

    def _may_answer_behind(self, place, asker, carrier):
        """Whether a node that asks through a peer is answered: a peer as one, a stranger where that peer is CORE."""
        for state, tier, is_paused in self._gave(place, asker):
            if state is State.CONNECTED and not is_paused and may_query(tier):
                return True
            if state is not State.CONNECTED and state is not State.IGNORED:
                return any(passes_on(tier) for _, tier, _ in self._gave(place, carrier))
        return False

    @staticmethod
    def _is_open(gave):
        state, _, is_paused = gave
        return state is State.CONNECTED and not is_paused

    def _check_shown(self, source, asker, result):
        """No result may tell of a room to a node that was never in it."""
        stream = libipld.decode_dag_cbor(result.body).get("stream", "")
        if stream.startswith(_ROOMS) and asker not in self._world.wire.members.get(stream.partition(":")[2], ()):
            self._world.failed(f"{source} told {self._world.place_of(asker)}, never a member, of {stream[:14]}")
