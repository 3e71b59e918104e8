"""Keeps the index of knowledge behind the log: what is durable is read chain by chain, and what changes is read again.

The index may be lost at any time. After a crash all that it holds is compared with the log, since verdicts and bodies
may have changed unseen; where a chain is another than it read, everything is read anew.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeAlias, TypeVar

from foedus.base.errors import FoedusError
from foedus.log.chains import ChainKey
from foedus.log.event import read_event
from foedus.log.knowledge import KNOWLEDGE_SHAPES, KnowledgePublish, KnowledgeRepublish, subject_of
from foedus.log.port import Row, Verdict
from foedus.node.publisher import Published, Publisher
from foedus.node.store import Store
from foedus.state.knowledge.packets import BEGINS, content_of, fold_packet
from foedus.state.knowledge.port import Change, Entry, KnowledgeIndex, Mention, Reached
from foedus.state.knowledge.source import prove, read_source
from foedus.state.knowledge.told import Told, body_of, told_of

log = logging.getLogger("foedus.knowledge")

_Key = TypeVar("_Key")
_PAGE = 256
_RETRY_S = 1.0
ACTS_MAX = 512
"""Acts about one packet or task that are looked at of each node: each reads those before it again. Later ones count for
nothing; which those are, its chain says, so nobody speaks so much that another is not heard."""
ACTS_EACH_MAX = 256
"""Of these, of one author."""
ASKED_MAX = 4_096
"""Missing packets that were asked for and are remembered, so that each is asked for once."""
_NOWHERE = Reached(0, b"")
_Speaker: TypeAlias = tuple[bytes, bytes | None, str | bytes | None]
"""(packet or task, node, author of that node, or None for all of them)."""


class KnowledgeIndexer:
    """Reads the log into the index. ``run`` is its task; ``ask``: ask the peers for events by id."""

    def __init__(
        self, store: Store, publisher: Publisher, index: KnowledgeIndex, ask: Callable[[list[bytes]], None]
    ) -> None:
        self.trouble = ""
        """Why the index does not grow now; '' where it does."""
        self.on_read: Callable[[], None] = lambda: None
        self._store = store
        self._index = index
        self._ask = ask
        self._grown: dict[ChainKey, None] = {}
        self._changed: dict[bytes, None] = {}
        self._dropped = False
        self._is_anew = False
        self._reached: dict[ChainKey, Reached] = {}
        self._asked: dict[bytes, None] = {}
        self._wake = asyncio.Event()
        self._idle = asyncio.Event()
        publisher.bookkeepers.append(self._published)

    def _published(self, published: Published) -> None:
        chains = self._store.admission.chains
        if not chains.knowing:
            return
        commit = published.commit
        self._grown.update((key, None) for key in published.chains if _is_knowledge(key))
        self._is_anew |= any(_is_knowledge((part.epoch, part.stream)) for part in commit.truncations)
        changed = [fill.id for fill in commit.bodies] + [change.id for change in commit.verdicts] + [*commit.drops]
        self._changed.update((event, None) for event in changed)
        self._dropped |= bool(commit.drops)
        if self._has_work():
            self._idle.clear()
            self._wake.set()

    @property
    def is_whole(self) -> bool:
        """Whether the index has taken in every change of what it had read."""
        return self._idle.is_set() and not self._has_work() and not self.trouble

    def _has_work(self) -> bool:
        return bool(self._grown or self._changed or self._is_anew or self._dropped)

    def read_anew(self) -> None:
        """Drop the index and read everything from the log again."""
        self._is_anew = True
        self._idle.clear()
        self._wake.set()

    async def caught_up(self) -> None:
        """Wait until all that was durable is in the index, or it cannot grow."""
        await self._idle.wait()

    # --- the task ----------------------------------------------------------------------------

    async def run(self) -> None:
        """Read until cancelled."""
        self._grown.update((chain.key, None) for chain in self._store.admission.chains if chain.kind == "knowledge")
        is_begun = False
        while True:
            try:
                if not is_begun:
                    await asyncio.to_thread(self._begin)
                    is_begun = True
                await self._work()
                self.trouble = ""
                self.on_read()
            except FoedusError as error:
                self.trouble = f"{error.code}: {error}"
                log.warning("the index of knowledge does not grow: %s", self.trouble)
                self._idle.set()  # nobody waits for a disk that is full; what is found is then what was read before
                await asyncio.sleep(_RETRY_S)
                continue
            if not self._has_work():
                self._idle.set()
                await self._wake.wait()
                self._wake.clear()

    def _begin(self) -> None:
        """Compare what the index read with the log, as far as one cannot have changed without the other."""
        self._reached = self._index.reached()
        held = {chain.key: chain for chain in self._store.admission.chains if chain.kind == "knowledge"}
        for key, reached in self._reached.items():
            rows = self._store.log.chain(*key, reached.seq - 1, 1) if key in held else []
            if not rows or (rows[0].seq, rows[0].id) != reached:
                self._clear()
                return
        if self._index.is_stale:
            self._refresh_all()

    def _clear(self) -> None:
        self._index.clear()
        self._reached = {}

    def _refresh_all(self) -> None:
        for is_task in (False, True):
            after = 0
            while page := self._index.listed(is_task=is_task, domain="", after=after, limit=_PAGE):
                self._index.apply(Change(entries=self._entries([each.subject for each in page], {})))
                after = page[-1].number
        self._refresh(self._index.bodiless())

    async def _work(self) -> None:
        if self._is_anew:
            self._is_anew = False
            self._grown.update((chain.key, None) for chain in self._store.admission.chains if chain.kind == "knowledge")
            await asyncio.to_thread(self._clear)
        while self._grown:
            key = next(iter(self._grown))
            with _taken(self._grown, [key]):
                missing = await asyncio.to_thread(self._read_page, key)
            if missing is not None:
                self._grown[key] = None
                self._ask_once(missing)
        while self._changed:
            events = list(self._changed)[:_PAGE]
            with _taken(self._changed, events):
                await asyncio.to_thread(self._refresh, events)
        if self._dropped:
            self._dropped = False
            await asyncio.to_thread(self._index.scrub)

    def _ask_once(self, missing: Iterable[bytes]) -> None:
        fresh = [event for event in missing if event not in self._asked]
        if len(self._asked) + len(fresh) > ASKED_MAX:
            self._asked.clear()
        self._asked.update((event, None) for event in fresh)
        self.ask_for(fresh)

    def ask_for(self, events: Sequence[bytes]) -> None:
        """Ask the peers for packets that are not held."""
        held = self._store.log.by_ids(events) if events else {}
        wanted = [event for event in events if event not in held]
        if wanted:
            self._ask(wanted)

    # --- reading, in a worker thread -----------------------------------------------------------

    def _read_page(self, key: ChainKey) -> list[bytes] | None:
        """Read on in a chain; return the packets that its events stand on and that are not here, or None: no more."""
        reached = self._reached.get(key, _NOWHERE)
        rows = self._store.log.chain(*key, reached.seq, _PAGE)
        if not rows:
            return None
        mentions = self._mentions(rows)
        touched = [mention.subject for mention in mentions if mention.subject is not None]
        last = Reached(rows[-1].seq, rows[-1].id)
        entries = self._entries(touched, {row.id: row for row in rows}, mentions)
        self._index.apply(Change(mentions, entries, {key: last}))
        self._reached[key] = last
        return self._missing(rows)

    def _refresh(self, events: Sequence[bytes]) -> None:
        """Read some events again whose verdict or body is another now."""
        known = self._index.subjects_of(events)
        late = self._store.log.by_ids([event for event, subject in known.items() if subject is None])
        mentions = self._mentions([row for row in late.values() if row.envelope.body is not None])
        subjects = [subject for subject in known.values() if subject is not None]
        subjects += [mention.subject for mention in mentions if mention.subject is not None]
        if subjects:
            self._index.apply(Change(mentions, self._entries(subjects, late, mentions)))

    def _mentions(self, rows: Sequence[Row]) -> list[Mention]:
        """Return of what these events speak; who may not speak of it is passed over."""
        named = {row.id: self._named(row) for row in rows if row.kind in KNOWLEDGE_SHAPES}
        others = [subject for subject in named.values() if subject not in named and subject is not None]
        begun = self._store.log.by_ids(others) | {row.id: row for row in rows}
        acts = self._acts_about(others, len(rows))
        mentions = []
        for row in rows:
            subject = named.get(row.id)
            if row.kind not in KNOWLEDGE_SHAPES:
                continue
            if subject is None:
                mentions += [Mention(row.id, None)] if row.envelope.body is None else []
                continue
            is_foreign = row.kind in _OF_ITS_NODE and not self._is_of_node(row, begun.get(subject))
            if not is_foreign and self._is_counted(acts, subject, row):
                mentions.append(Mention(row.id, subject))
        return mentions

    def _acts_about(self, subjects: Sequence[bytes], more: int) -> Counter[_Speaker]:
        """Count the acts about these by who said them, where ``more`` could be too many."""
        known = self._index.mentions(subjects)
        near = {
            subject: events for subject, events in known.items() if len(events) + more > min(ACTS_EACH_MAX, ACTS_MAX)
        }
        rows = self._store.log.by_ids([event for events in near.values() for event in events])
        acts: Counter[_Speaker] = Counter()
        for subject, events in near.items():
            for event in events:
                if event in rows:
                    self._is_counted(acts, subject, rows[event])
        return acts

    def _is_counted(self, acts: Counter[_Speaker], subject: bytes, row: Row) -> bool:
        """Count an act, unless its node or its author said too much of this already."""
        node = self._store.identities.node_of(row.epoch)
        of_node, of_author = (subject, node, None), (subject, node, read_event(row.envelope).act.author)
        if acts[of_node] >= ACTS_MAX or acts[of_author] >= ACTS_EACH_MAX:
            return False
        acts[of_node] += 1
        acts[of_author] += 1
        return True

    def _named(self, row: Row) -> bytes | None:
        body = body_of(row.kind, row.envelope)
        if row.kind in _BEGINNINGS:
            return row.id if body is not None or row.envelope.body is None else None
        return subject_of(body) if body is not None else None

    def _is_of_node(self, row: Row, first: Row | None) -> bool:
        node_of = self._store.identities.node_of
        return first is not None and node_of(first.epoch) == node_of(row.epoch)

    def _entries(
        self, subjects: Sequence[bytes], fresh: dict[bytes, Row], mentions: Sequence[Mention] = ()
    ) -> list[Entry]:
        """Return the subjects as they stand now. ``fresh``: rows at hand, that ``mentions`` speak of."""
        wanted = list(dict.fromkeys(subjects))
        events = {subject: {subject: None} for subject in wanted}
        for subject, known in self._index.mentions(wanted).items():
            events[subject].update((event, None) for event in known)
        for mention in mentions:
            if mention.subject in events:
                events[mention.subject][mention.event] = None
        others = [event for known in events.values() for event in known if event not in fresh]
        rows = self._store.log.by_ids(others) | fresh
        held = ((subject, [rows[event] for event in events[subject] if event in rows]) for subject in wanted)
        return [entry for subject, mine in held if (entry := self._entry(subject, mine)) is not None]

    def _entry(self, subject: bytes, rows: Sequence[Row]) -> Entry | None:
        first = next((row for row in rows if row.id == subject), None)
        if first is None or first.kind not in _BEGINNINGS:
            return None
        domain = first.stream.partition(":")[2]
        if first.kind not in BEGINS:
            return Entry(subject, domain, is_task=True, event=None)
        packet = fold_packet(subject, [told for row in rows if (told := self.told(row)) is not None])
        current = packet.current if packet is not None else None
        content = content_of(current) if current is not None else None
        if current is None or content is None:
            return Entry(subject, domain, is_task=False, event=None)
        tags = " ".join((content.type, *content.tags))
        return Entry(subject, domain, is_task=False, event=current.id, words=(content.title, content.content, tags))

    def told(self, row: Row) -> Told | None:
        """Return what a stored event tells, None where it counts for nothing by what is stored with it."""
        node = self._store.identities.node_of(row.epoch)
        if row.kind not in KNOWLEDGE_SHAPES or row.verdict is not Verdict.ACCEPTED or row.withheld or node is None:
            return None
        told = told_of(row.id, read_event(row.envelope), row.envelope, node)
        return None if isinstance(told.body, KnowledgeRepublish) and self._is_forged(told.body.source) else told

    def _is_forged(self, source: bytes) -> bool:
        """Whether what is passed on is no packet, or a signature in it does not hold."""
        return read_source(source) is None or prove(source, self.key_of) == "forged"

    def key_of(self, epoch: bytes) -> bytes | None:
        """Return the key by which a node signed in an epoch, None where its identity record is not held."""
        view = self._store.identities.epoch(epoch)
        return view.ed25519 if view is not None else None

    def _missing(self, rows: Sequence[Row]) -> list[bytes]:
        """Return the packets that these stand on and that are not held here."""
        wanted: dict[bytes, None] = {}
        for row in rows:
            body = body_of(row.kind, row.envelope) if row.kind in _STANDING else None
            if isinstance(body, KnowledgePublish):
                wanted.update((event, None) for event in body.dependencies)
        held = self._store.log.by_ids(wanted) if wanted else {}
        return [event for event in wanted if event not in held]


_BEGINNINGS = BEGINS | {"task.offer"}
_OF_ITS_NODE = frozenset({"knowledge.revise", "knowledge.retract"})
"""Kinds by which only the node of a packet can change it: its event stands before them in a chain, so it is held."""
_STANDING = frozenset({"knowledge.publish", "knowledge.revise"})


@contextmanager
def _taken(waiting: dict[_Key, None], keys: Sequence[_Key]) -> Iterator[None]:
    """Take what is read now, before it is read: what comes in meanwhile waits anew. What cannot be read is put back."""
    for key in keys:
        waiting.pop(key, None)
    try:
        yield
    except BaseException:
        waiting.update((key, None) for key in keys)
        raise


def _is_knowledge(key: ChainKey) -> bool:
    return key[1].startswith("knowledge:")
