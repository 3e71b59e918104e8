"""Random humans, random delivery, crashes, partitions: never two versions in force, and the same one at both."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from foedus.base.cbor import encode, to_plain
from foedus.base.ids import sha256
from foedus.crypto.ed25519 import Ed25519Key
from foedus.log.bodies import (
    AgreementCounter,
    AgreementDecline,
    AgreementEnd,
    AgreementPropose,
    AgreementSign,
    AgreementWithdraw,
    Consent,
)
from foedus.trust.agreement import in_order, sign
from foedus.trust.agreements.acts import Writer, act_of
from foedus.trust.agreements.document import agreement_id, starter, write
from foedus.trust.agreements.ledger import Side, Version, standing
from foedus.trust.agreements.running import Running
from foedus.trust.agreements.states import State, may
from foedus.trust.agreements.terms import Terms, next_version
from tests.trust.books import did

KINDS = {
    AgreementPropose: "agreement.propose",
    AgreementCounter: "agreement.counter",
    AgreementSign: "agreement.sign",
    AgreementDecline: "agreement.decline",
    AgreementWithdraw: "agreement.withdraw",
    AgreementEnd: "agreement.end",
}
SMALL, LARGE = bytes([1]) * 32, bytes([2]) * 32
KEYS = {SMALL: Ed25519Key(bytes([11]) * 32), LARGE: Ed25519Key(bytes([12]) * 32)}
ROOT_DOCUMENT = starter((SMALL, LARGE), ([], []), bytes(32))
ROOT_BYTES = write(ROOT_DOCUMENT)
ROOT = Version(agreement_id(ROOT_BYTES), ROOT_BYTES, ROOT_DOCUMENT, 0)


def other_of(node: bytes) -> bytes:
    return LARGE if node == SMALL else SMALL


def writer(node: bytes) -> Writer:
    other = other_of(node)
    return Writer(node, other, KEYS[node].public, [KEYS[other].public])


def acts_of(node: bytes, chain: list[object]):
    for place, body in enumerate(chain):
        act = act_of(KINDS[type(body)], encode(to_plain(body)), writer(node), place)
        if act is not None:
            yield act


def fold(small: list[object], large: list[object], root: Version = ROOT):
    sides = {SMALL: Side(), LARGE: Side()}
    for node, chain in ((SMALL, small), (LARGE, large)):
        for act in acts_of(node, chain):
            sides[node].apply(act)
    return standing(sides, root), sides


def to_finalise(found, smaller, now):
    """Yield what the smaller node may finalise: the slow twin of ``Running.to_finalise``."""
    for it in found.proposals:
        is_ready = it.state is State.SIGNED and it.by == smaller and it.act.agreement.base == found.newest.id
        if is_ready and not it.act.agreement.is_expired(now):
            yield it


class Node:
    """One side: its own chain, durable, and how far it holds the other's. Crashes lose nothing durable."""

    def __init__(self, node: bytes) -> None:
        self.node = node
        self.chain: list[object] = []
        self.seen: list[object] = []
        self.versions: list[bytes] = []

    @property
    def standing(self):
        chains = (self.chain, self.seen) if self.node == SMALL else (self.seen, self.chain)
        return fold(*chains)

    def settle(self) -> None:
        """What the node does by itself, as ``node.agreements`` does."""
        found, sides = self.standing
        while self.node == SMALL and found.ended is None and (ready := next(to_finalise(found, SMALL, 0), None)):
            theirs = sides[LARGE].signed[ready.act.id].signature
            self.chain.append(self.signed(ready.act.document, theirs))
            found, sides = self.standing

    def signed(self, document: bytes, theirs: bytes) -> AgreementSign:
        own = sign(KEYS[self.node], document)
        return AgreementSign(document, in_order(self.node, other_of(self.node), own, theirs), None)

    def wish(self, what: str, number: int) -> None:
        """What a human does, where the tables allow it."""
        found, _ = self.standing
        if found.ended is not None:
            return
        if what == "terminate":
            self.chain.append(AgreementEnd(ROOT.id))
        elif what == "propose":
            self.chain.append(self._proposal(found.newest, number))
        else:
            self._answer(what, number, found)

    def _proposal(self, base: Version, number: int) -> AgreementPropose:
        salt = sha256(self.node, number.to_bytes(4, "big"), len(self.chain).to_bytes(4, "big"))
        terms = Terms(retention_days=1 + number)
        document = next_version(base.agreement, base.id, self.node, terms, salt)
        return AgreementPropose(document, sign(KEYS[self.node], document), None)

    def _answer(self, what: str, number: int, found) -> None:
        possible = [
            it
            for it in found.proposals
            if it.act.agreement.base == found.newest.id
            and may(what, "ours" if it.by == self.node else "theirs", it.state)
        ]
        if not possible:
            return
        chosen = possible[number % len(possible)]
        if what == "sign":
            self.chain.append(self.signed(chosen.act.document, chosen.act.signature))
        elif what == "counter":
            made = self._proposal(found.newest, number)
            self.chain.append(AgreementCounter(made.agreement, made.signature, None, chosen.act.id))
        else:
            kind = AgreementDecline if what == "decline" else AgreementWithdraw
            self.chain.append(kind(chosen.act.id))


class Pair:
    def __init__(self) -> None:
        self.nodes = [Node(SMALL), Node(LARGE)]

    def deliver(self, to: int, many: int) -> None:
        there, here = self.nodes[1 - to], self.nodes[to]
        here.seen = there.chain[: len(here.seen) + many]

    def check(self) -> None:
        """Nobody sees two in force, nobody goes back, and the two lines never part."""
        lines = []
        for node in self.nodes:
            found, _ = node.standing
            ids = [version.id for version in found.versions]
            assert len(ids) == len(set(ids))
            in_force = [it for it in found.versions if found.state_of(it, 0) is State.IN_FORCE]
            assert len(in_force) == (0 if found.ended is not None else 1)
            assert ids[: len(node.versions)] == node.versions, "a version that was in force is gone"
            node.versions = ids
            lines.append(ids)
        short, long = sorted(lines, key=len)
        assert long[: len(short)] == short

    def quiet(self) -> None:
        for _ in range(4):
            for to, node in enumerate(self.nodes):
                self.deliver(to, 1_000)
                node.settle()
        self.check()


WISH = st.tuples(
    st.just("wish"),
    st.integers(0, 1),
    st.sampled_from(["propose", "propose", "counter", "sign", "sign", "decline", "withdraw"]),
    st.integers(0, 5),
)
DELIVER = st.tuples(st.just("deliver"), st.integers(0, 1), st.just(""), st.integers(1, 3))
SETTLE = st.tuples(st.just("settle"), st.integers(0, 1), st.just(""), st.just(0))
STEPS = st.lists(st.one_of(WISH, WISH, DELIVER, DELIVER, SETTLE), max_size=40)


def run(steps) -> Pair:
    pair = Pair()
    for what, side, wish, number in steps:
        node = pair.nodes[side]
        if what == "wish":
            node.wish(wish, number)
        elif what == "deliver":
            pair.deliver(side, number)
        else:
            node.settle()
        pair.check()
    return pair


@settings(deadline=None)
@given(STEPS)
def test_never_two_in_force_and_the_same_at_both_after_quiet(steps):
    pair = run(steps)
    pair.quiet()
    small, large = (node.standing[0] for node in pair.nodes)
    assert [it.id for it in small.versions] == [it.id for it in large.versions]
    assert [(it.act.id, it.state) for it in small.proposals] == [(it.act.id, it.state) for it in large.proposals]
    assert not [it for it in small.proposals if it.state is State.SIGNED], "nothing waits for the smaller node"


@settings(deadline=None)
@given(STEPS, st.integers(0, 1), STEPS)
def test_terminate_always_wins(before, side, after):
    pair = run(before)
    pair.nodes[side].wish("terminate", 0)
    for what, who, wish, number in after:
        if what == "wish":
            pair.nodes[who].wish(wish, number)
    pair.quiet()
    for node in pair.nodes:
        found, _ = node.standing
        assert found.ended is not None
        assert found.state_of(found.newest, 0) is State.ENDED


@settings(deadline=None)
@given(STEPS, st.data())
def test_an_old_version_replayed_changes_nothing(steps, data):
    pair = run(steps)
    pair.quiet()
    before = [[it.id for it in node.standing[0].versions] for node in pair.nodes]
    for node in pair.nodes:
        replays = [it for it in [*node.chain, *node.seen] if isinstance(it, AgreementSign | AgreementPropose)]
        starter_sign = AgreementSign(ROOT_BYTES, (sign(KEYS[SMALL], ROOT_BYTES), sign(KEYS[LARGE], ROOT_BYTES)), None)
        node.chain += data.draw(st.lists(st.sampled_from([starter_sign, *replays]), max_size=10))
    pair.quiet()
    assert [[it.id for it in node.standing[0].versions] for node in pair.nodes] == before


@settings(deadline=None)
@given(STEPS, st.randoms(use_true_random=False))
def test_every_interleaving_that_respects_the_chains_gives_the_same(steps, random):
    pair = run(steps)
    chains = {node.node: list(acts_of(node.node, node.chain)) for node in pair.nodes}
    expected, _ = fold(pair.nodes[0].chain, pair.nodes[1].chain)
    sides = {SMALL: Side(), LARGE: Side()}
    running = Running(sides, ROOT)
    while any(chains.values()):
        node = random.choice([node for node, left in chains.items() if left])
        act = chains[node].pop(0)
        if sides[node].apply(act):
            running.applied(node, act)
        assert_same(running, standing(sides, ROOT))
    assert standing(sides, ROOT) == expected
    assert_same(Running(sides, ROOT), expected)


def assert_same(running: Running, found):
    assert (running.newest, running.ended) == (found.newest, found.ended)
    assert [it.id for it in running.to_finalise(0)] == [it.act.id for it in to_finalise(found, SMALL, 0)]


DEVICES = [Ed25519Key(bytes([20 + number]) * 32) for number in range(3)]


def by_human(body, device: Ed25519Key):
    human = Consent(did(1), device.public, sign(device, body.agreement))
    return replace(body, human=human)


@settings(deadline=None)
@given(STEPS, st.lists(st.integers(0, 3), min_size=1), st.lists(st.sets(st.integers(0, 2)), max_size=4))
def test_devices_that_come_and_go_leave_what_a_fresh_reading_finds(steps, whose, enrolments):
    """``hear`` folds what is kept again; its twin reads the whole chain with who is enrolled by then."""
    pair = run(steps)
    pair.quiet()
    chains = {}
    for node in pair.nodes:
        spoken = [
            by_human(body, DEVICES[who - 1]) if who and hasattr(body, "human") else body
            for body, who in zip(node.chain, whose * len(node.chain), strict=False)
        ]
        chains[node.node] = list(acts_of(node.node, spoken))
    enrolled = set()

    def speaks(_did, device):
        return any(DEVICES[number].public == device for number in enrolled)

    def fresh():
        sides = {SMALL: Side(speaks), LARGE: Side(speaks)}
        for node, chain in chains.items():
            for act in chain:
                sides[node].apply(act)
        return sides

    sides = fresh()
    for now in enrolments:
        enrolled.clear()
        enrolled |= now
        for side in sides.values():
            side.hear()
        assert standing(sides, ROOT) == standing(fresh(), ROOT)
        assert_same(Running(sides, ROOT), standing(fresh(), ROOT))


# --- single cases --------------------------------------------------------------------------------


def proposal(by: bytes, number: int = 1, base: Version = ROOT) -> AgreementPropose:
    return Node(by)._proposal(base, number)


def newest(small, large, root=ROOT):
    return fold(small, large, root)[0].newest


def final(made: AgreementPropose, by: bytes = SMALL) -> AgreementSign:
    return Node(by).signed(made.agreement, sign(KEYS[other_of(by)], made.agreement))


def test_a_final_signature_holds_by_itself_and_the_other_chain_cannot_take_it_back():
    made = proposal(LARGE)
    assert newest([final(made)], [made]).document == made.agreement
    assert newest([final(made)], []).document == made.agreement
    assert newest([final(made)], [made, AgreementWithdraw(agreement_id(made.agreement))]).document == made.agreement


def test_a_signature_of_the_larger_node_alone_puts_nothing_in_force():
    made = proposal(SMALL)
    assert newest([made], [final(made, LARGE)]).id == ROOT.id


def test_of_two_final_signatures_on_one_base_the_first_counts():
    one, other = proposal(LARGE, 1), proposal(LARGE, 2)
    assert newest([final(one), final(other)], [one, other]).document == one.agreement
    assert newest([final(other), final(one)], [other, one]).document == other.agreement


def test_who_refused_a_document_cannot_sign_it_any_more():
    made = proposal(LARGE)
    named = agreement_id(made.agreement)
    assert newest([AgreementDecline(named), final(made)], [made]).id == ROOT.id
    own = proposal(SMALL)
    refusal = AgreementWithdraw(agreement_id(own.agreement))
    assert newest([own, refusal, final(own)], [final(own, LARGE)]).id == ROOT.id


def test_a_version_that_skips_a_number_or_has_another_base_does_not_count():
    made = proposal(LARGE)
    second = newest([final(made)], [made])
    far = proposal(LARGE, 3, second)
    assert newest([final(far)], [far]).id == ROOT.id
    skipping = proposal(LARGE, 3, ROOT._replace(agreement=replace(ROOT_DOCUMENT, version=2, base=bytes(32))))
    assert newest([final(skipping)], [skipping]).id == ROOT.id
    assert not fold([], [skipping])[0].proposals


def test_wrong_signatures_say_nothing():
    made = proposal(LARGE)
    forged = AgreementPropose(made.agreement, sign(KEYS[SMALL], made.agreement), None)
    assert not fold([], [forged])[0].proposals
    half = AgreementSign(made.agreement, (sign(KEYS[SMALL], made.agreement),) * 2, None)
    assert newest([half], [made]).id == ROOT.id
    assert act_of("agreement.sign", b"\xa0", writer(SMALL), 0) is None
    assert act_of("message.text", encode({"text": "x"}), writer(SMALL), 0) is None


def test_where_the_base_names_humans_one_of_them_has_to_approve():
    person, stranger = Ed25519Key(bytes(31) + b"\7"), Ed25519Key(bytes(31) + b"\x08")
    document = starter((SMALL, LARGE), ([did(7)], [did(7)]), bytes(32))
    root = Version(agreement_id(write(document)), write(document), document, 0)
    made = proposal(LARGE, 1, root)

    def word(key, seed):
        return Consent(did(seed), key.public, sign(key, made.agreement))

    def offered(human):
        return fold([], [AgreementPropose(made.agreement, made.signature, human)], root)[0].proposals

    def signed(human):
        return newest([AgreementSign(made.agreement, final(made).signatures, human)], [], root)

    wrong = [None, word(stranger, 8), Consent(did(7), person.public, sign(stranger, made.agreement))]
    for human in wrong:
        assert not offered(human)
        assert signed(human).id == root.id
    assert offered(word(person, 7))
    assert signed(word(person, 7)).document == made.agreement
