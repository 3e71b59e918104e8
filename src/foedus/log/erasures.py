"""Erasure: which ``event.erase`` may take which bodies away (docs/protocol.md, section 4).

An accepted erase takes salt and body of each event that it names and may erase, whichever of the two comes first; the
event itself, its signatures and its chain stay. Its verdict does not depend on what it names, and whether it may erase
an event follows from the bytes of both, which never change: so every order of arrival ends alike, and a name that
carries nothing harms no other.

What erasures name is held in memory, bounded for each node, until it is done: where all that an erase names stands
here without its body, it *rests*. The log then says which erase took an event's body, and it is read from there.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Protocol, TypeAlias

from foedus.base.cbor import Malformed, NotCanonical, decode_as
from foedus.log.authority import Authority
from foedus.log.bodies import EventErase
from foedus.log.chains import Chain, ChainKey
from foedus.log.erase_names import EraseNames
from foedus.log.event import Act, Envelope, Event, Parsed, parse_event
from foedus.log.participants import Judgement, pending, rejected
from foedus.log.port import Entry, Row, Value, Verdict
from foedus.log.roles import may_moderate
from foedus.log.spans import Recheck

ERASE = "event.erase"
NOT_ERASABLE = frozenset({"epoch.open", "checkpoint", "room.leave", ERASE})
"""Kinds in a room that others stand on. All that stands in other streams (identity, membership, grants, agreements)
cannot be erased either: an erase speaks of its own stream only, and stands in rooms, knowledge and sketches only."""
_OWN = frozenset({"knowledge", "sketch"})
"""Kinds of streams in which each node is host of its own part."""
TARGETS_PER_NODE_MAX = 65_536
"""Ids that the erasures of one node name which do not rest: some 220 bytes of memory each, 14 MB at most. Beyond, its
next erase waits, as a control event does whose node is over its quota."""
ERASERS = "erasers"
"""The space of values that says by which erase at rest an event (its id and a zero byte) lost its body."""
AT_REST = "erasures_at_rest"
"""The space of values that names the erasures which rest."""

HeldOf: TypeAlias = Callable[[bytes], Entry | Row | None]
"""The event of an id where it is held, be it aside."""
NodeOf: TypeAlias = Callable[[bytes], bytes | None]
"""The node of an epoch."""


class Held(Protocol):
    """What is read of the log (``log.staged``)."""

    def in_place(self, event_id: bytes) -> Entry | Row | None:
        """Return a held event that stands in its chain."""
        ...

    def eraser(self, event_id: bytes) -> bytes | None:
        """Return the erase at rest that took an event's body, as ERASERS says."""
        ...


class Erase:
    """A held ``event.erase``; ``counts``: it is accepted. Without a body of its shape it names nothing."""

    __slots__ = ("act", "body", "chain", "counts", "has_body", "id", "seq", "targets")

    def __init__(self, event_id: bytes, act: Act, chain: Chain, seq: int) -> None:
        self.id = event_id
        self.act = act
        self.chain = chain
        self.seq = seq
        self.counts = False
        self.has_body = False
        self.body: EventErase | None = None
        self.targets: tuple[bytes, ...] = ()

    def take_body(self, envelope: Envelope) -> None:
        """Decode the body that came along."""
        self.has_body = envelope.body is not None
        self.body = read_erase(envelope.body) if envelope.body is not None else None
        self.targets = tuple(dict.fromkeys(self.body.targets)) if self.body is not None else ()

    @property
    def place(self) -> Recheck:
        """Where it is judged anew."""
        return Recheck(self.chain.epoch, self.chain.stream, self.seq, self.seq)


def read_erase(body: bytes) -> EventErase | None:
    """Return the body of an erase, None where it has not the shape of its kind."""
    try:
        return decode_as(body, EventErase)
    except (NotCanonical, Malformed):
        return None


class Erasures:
    """The erasures that stand in their chains. Mutated by admission alone, in its order.

    ``released``: ids that were named by an erase which is no longer accepted; the node takes them out.
    """

    def __init__(self, authority: Authority, node_of: NodeOf, held: Held) -> None:
        self._authority = authority
        self._node_of = node_of
        self._held = held
        self.any_rest = False
        """Whether any rests, or did."""
        self._erases: dict[bytes, Erase] = {}
        self._by_chain: defaultdict[ChainKey, dict[bytes, Erase]] = defaultdict(dict)
        self._names = EraseNames()
        self._named: defaultdict[bytes, int] = defaultdict(int)
        self.released: list[bytes] = []
        self._at_hand: dict[bytes, Erase] = {}
        """Those of which the log may still say that they rest."""

    # --- judging -----------------------------------------------------------------------------

    def judge(self, event_id: bytes, judged: Judgement) -> Judgement:
        """Return the verdict of a noted erase; ``judged`` is what the room's rules say of it."""
        erase = self._erases[event_id]
        found = self._judge_act(erase.act, (erase.chain, erase.seq), erase.body, judged, has_body=erase.has_body)
        self.judged(event_id, found.verdict)
        return found

    def _judge_act(
        self, act: Act, place: tuple[Chain, int], body: EventErase | None, judged: Judgement, *, has_body: bool
    ) -> Judgement:
        """Return the verdict of an erase, noted or not."""
        if judged.verdict is not Verdict.ACCEPTED:
            return judged
        if not has_body:
            return pending("body")
        if body is None:
            return rejected("malformed_event")
        if body.reason != "author" and not self._is_host(act, place[0]):
            return judged if body.reason == "moderator" and self._moderates(act, place) else rejected("role")
        return judged

    def judge_own(self, parsed: Parsed, chain: Chain, judged: Judgement, held: HeldOf) -> Judgement:
        """Return the verdict of an erase that is not ordered yet. Its author is refused what others would pass over."""
        body = None if parsed.envelope.body is None else read_erase(parsed.envelope.body)
        act, has_body = parsed.event.act, parsed.envelope.body is not None
        found = self._judge_act(act, (chain, parsed.event.seq), body, judged, has_body=has_body)
        if body is None or found.verdict is not Verdict.ACCEPTED:
            return found
        targets = [parse_event(there.envelope).event for target in body.targets if (there := held(target))]
        codes = [code for target in targets if (code := self.objection(act, chain, body, target))]
        return rejected(codes[0]) if codes else found

    def _is_host(self, act: Act, chain: Chain) -> bool:
        """Whether a node itself acts where it is host: in its room, and in its own part of a domain of knowledge."""
        is_host = chain.kind in _OWN or chain.node == self._authority.host_of(chain.stream)
        return act.device is None and is_host

    def _moderates(self, act: Act, place: tuple[Chain, int]) -> bool:
        """Whether the role of an act's author at its place lets it erase what others said."""
        role = self._authority.role_at(*place, str(act.author) if act.device is not None else None)
        return role is not None and may_moderate(role)

    def objection(self, act: Act, chain: Chain, body: EventErase, target: Event) -> str:
        """Return why an erase may not take the body of ``target``, '' where it may."""
        if target.stream != chain.stream or target.act.kind in NOT_ERASABLE:
            return "not_erasable"
        is_own = self._node_of(target.epoch) == chain.node
        if chain.kind in _OWN and not is_own:
            return "not_permitted"
        is_author = target.act.author == act.author and is_own
        return "" if is_author or body.reason != "author" else "not_permitted"

    # --- what is held ------------------------------------------------------------------------

    def note(self, parsed: Parsed, chain: Chain, *, counts: bool = False) -> None:
        """Hold an erase, or the body of a held one. ``judge`` it next, unless the log says whether it ``counts``."""
        erase = self._erases.get(parsed.id)
        if erase is None:
            erase = self._erases[parsed.id] = Erase(parsed.id, parsed.event.act, chain, parsed.event.seq)
            self._at_hand[parsed.id] = erase
            self._by_chain[chain.key][parsed.id] = erase
        erase.counts = counts
        if not erase.has_body:
            erase.take_body(parsed.envelope)
            self._named[chain.node] += len(erase.targets)
            self._names.add(erase)

    def judge_again(self, held: Entry | Row, judged: Judgement) -> Judgement:
        """Return the verdict of a held erase anew. One that rested and still counts rests again."""
        rested = self.wake(held)
        found = self.judge(held.id, judged)
        if rested and found.verdict is Verdict.ACCEPTED:
            self.rest(self._erases[held.id])
        return found

    def judged(self, event_id: bytes, verdict: Verdict) -> None:
        """Note that the verdict of an erase is another now."""
        erase = self._erases.get(event_id)
        if erase is None:
            return
        counted, erase.counts = erase.counts, verdict is Verdict.ACCEPTED
        if counted and not erase.counts:
            self._release(erase)
        elif erase.counts and not counted:
            self._names.counts(erase)

    def forget(self, key: ChainKey, from_seq: int) -> None:
        """Let go of the erases at the end of a chain: its owner chose another branch, or they were pruned."""
        self._forget([erase for erase in self._of_chain(key) if erase.seq >= from_seq])

    def prune(self, key: ChainKey, after: int, to_seq: int, rows: Iterable[Entry | Row]) -> list[Value]:
        """Let go of the erases in a part of a chain that retention drops: ``rows``. Return what is stored then."""
        self._forget([erase for erase in self._of_chain(key) if after < erase.seq <= to_seq])
        gone = [erase for row in rows if (erase := self._resting(row)) is not None]
        return [Value(value.space, value.key, None) for erase in gone for value in self.remembered(erase)]

    # --- what rests --------------------------------------------------------------------------

    def may_rest(self, erase: Erase) -> bool:
        """Whether an erase whose events are all held, without a body, may rest. Of several for one event none does."""
        is_held = self._erases.get(erase.id) is erase and erase.counts
        return is_held and all(self._is_alone(target, erase) for target in erase.targets)

    def _is_alone(self, target: bytes, erase: Erase) -> bool:
        return self._names.is_alone(target) and self._held.eraser(target) in {None, erase.id}

    @staticmethod
    def remembered(erase: Erase) -> list[Value]:
        """Return what has to be stored before an erase rests."""
        names = [Value(ERASERS, target + b"\x00", erase.id) for target in erase.targets]
        return [*names, Value(AT_REST, erase.id, b"\x01")]

    def rest(self, erase: Erase) -> None:
        """Let an erase rest, for which ``remembered`` is durable."""
        self._drop(erase)
        self._at_hand.pop(erase.id, None)
        self.any_rest = True

    def woken(self) -> list[Erase]:
        """Return the erases that do not rest any more and that this has not returned yet: the log may say they do.

        That goes before a body of theirs comes again, else it would stay where they count once more.
        """
        woken, self._at_hand = self._at_hand, {}
        return list(woken.values())

    def wake(self, held: Entry | Row) -> bool:
        """Hold an erase again that rests; False where it is at hand."""
        chain = self._authority.chains.get((held.epoch, held.stream))
        if held.id in self._erases or chain is None:
            return False
        self.note(parse_event(held.envelope), chain, counts=True)
        return True

    def find(self, held: Entry | Row) -> Erase | None:
        """Return a held erase, also one that rests."""
        return self._erases.get(held.id) or self._resting(held)

    def _resting(self, held: Entry | Row) -> Erase | None:
        chain = self._authority.chains.get((held.epoch, held.stream))
        if held.kind != ERASE or held.id in self._erases or held.verdict is not Verdict.ACCEPTED or chain is None:
            return None
        parsed = parse_event(held.envelope)
        erase = Erase(held.id, parsed.event.act, chain, held.seq)
        erase.take_body(parsed.envelope)
        erase.counts = True
        return erase

    def _rested(self, event_id: bytes, event: Event) -> Erase | None:
        """Return the erase at rest that took an event's body."""
        eraser = self._held.eraser(event_id) if self.any_rest else None
        held = None if eraser is None else self._held.in_place(eraser)
        erase = None if held is None else self._resting(held)
        return erase if erase is not None and self._takes(erase, event) else None

    # --- letting go --------------------------------------------------------------------------

    def _of_chain(self, key: ChainKey) -> list[Erase]:
        return list(self._by_chain[key].values()) if key in self._by_chain else []

    def _forget(self, gone: list[Erase]) -> None:
        for erase in gone:
            self._drop(erase)
            if erase.counts:
                self._release(erase)

    def _drop(self, erase: Erase) -> None:
        del self._erases[erase.id]
        del self._by_chain[erase.chain.key][erase.id]
        self._named[erase.chain.node] -= len(erase.targets)
        self._names.remove(erase)

    def _release(self, erase: Erase) -> None:
        self.released += erase.targets

    # --- asking ------------------------------------------------------------------------------

    def get(self, event_id: bytes) -> Erase | None:
        """Return a held erase by its id."""
        return self._erases.get(event_id)

    def all(self) -> list[Erase]:
        """Return all held erases."""
        return list(self._erases.values())

    def names(self, event_id: bytes) -> bool:
        """Whether an erase at hand names this event. Asked of every event that comes; none that rests names those."""
        return event_id in self._names

    def erased_by(self, event_id: bytes, event: Event) -> Erase | None:
        """Return the accepted erase that takes an event's body; of several the one with the smallest (clock, id)."""
        found = self._names.first(event_id, lambda erase: self._takes(erase, event))
        rested = self._rested(event_id, event)
        both = [erase for erase in (found, rested) if erase is not None]
        return min(both, key=lambda erase: (erase.act.at, erase.id), default=None)

    def _takes(self, erase: Erase, event: Event) -> bool:
        return erase.body is not None and not self.objection(erase.act, erase.chain, erase.body, event)

    def named_by(self, node: bytes) -> int:
        """Return how many ids the erasures of a node name, as far as they do not rest."""
        return self._named.get(node, 0)

    def is_full(self, node: bytes) -> bool:
        """Whether the erasures of a node name as much as they may."""
        return self._named.get(node, 0) >= TARGETS_PER_NODE_MAX
