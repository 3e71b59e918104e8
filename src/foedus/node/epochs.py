"""Epochs of this node: rotation, restore from a backup, recovery after a theft."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Callable

from foedus.adapters.key_files import NodeKeys, keys_from_seeds
from foedus.base.errors import FoedusError, Unavailable
from foedus.crypto.words import from_words
from foedus.identity.record import SignedRecord, recovery_successor, successor
from foedus.identity.recovery import RecoverySecrets
from foedus.log.admission import Deferred
from foedus.log.chains import Chain, Position
from foedus.log.cuts import AWAITING_OPENING
from foedus.log.port import Value
from foedus.node.author import Author
from foedus.node.home import SETTINGS
from foedus.node.publisher import Published
from foedus.node.store import Store

log = logging.getLogger("foedus.epochs")

_RESTORING = "a peer showed events of this node that it lacks: it was restored from a backup, and fetches them"
_SUPERSEDED = "this node's identity was superseded by a record whose keys are not here"

_QUIET_S = 1.5
"""Silence after which peers have sent what they hold: many times the way there and back, also where all are busy. A
branch of a fork that comes later is too late: the epoch that cuts it is open."""
_STEP_S = 0.01
"""Between looks at whether a question was answered."""
_ANSWER_S = 5.0
"""For one answer; a peer that names an event and does not send it holds nothing up for longer."""
_BRANCHES_S = 60.0
"""For all branches: one of WAITING_EVENTS_MAX events takes a third of this."""
_TAKEN_UP = b"taken_up"
"""The setting that names the epoch in which all streams were taken up, as far as they were held."""
_LATE_MAX = 1_000
"""Streams that are opened in one step."""
_AGAIN_S = 5.0
"""After the epoch could not be stored: the disk may have room again."""


class Contested(Unavailable):
    """There are two successors of one identity record: nobody follows either."""

    code = "identity_contested"
    remedy = "run `foedus key recover` with the 24 words"


class Epochs:
    """Opens epochs. ``on_opened`` tells the links, ``claims`` what peers say they hold of this node's chains."""

    def __init__(self, store: Store, author: Author) -> None:
        self.on_opened: Callable[[], None] = lambda: None
        self.claims: Callable[[], list[Position]] = list
        self.ask: Callable[[list[bytes]], None] = lambda _ids: None
        self._store = store
        self._author = author
        self._restore: asyncio.Task[None] | None = None
        self._progress = asyncio.Event()
        self._opening: asyncio.Task[None] | None = None
        store.publisher.bookkeepers.append(self._published)

    # --- opening -----------------------------------------------------------------------------

    async def rotate(self) -> SignedRecord:
        """Make new keys and open an epoch with them."""
        keys = _fresh_keys()
        record = successor(self._store.record, self._store.keys, keys, "rotation", secrets.token_bytes(32))
        return await self._open(record, keys)

    async def recover(self, words: str) -> SignedRecord:
        """Void whatever a thief opened, and cut the stolen epoch where this node's log ends."""
        recovery = RecoverySecrets(from_words(words))
        keys = _fresh_keys()
        record = recovery_successor(self._stolen(), recovery, keys, secrets.token_bytes(32))
        return await self._open(record, keys)

    def _stolen(self) -> SignedRecord:
        """Return the last record that this node's own keys stand behind: what follows it is the thief's."""
        public = self._store.keys.ed25519.public
        history = self._store.identities.history(self._store.node)
        mine = [record for record in history if record.record.keys.ed25519 == public]
        return mine[-1] if mine else history[-1]

    async def _open(self, record: SignedRecord, keys: NodeKeys | None) -> SignedRecord:
        """Stage the keys, store the record, promote the keys, and take every stream up in the new epoch."""
        async with self._author.ordering():
            if keys is not None:
                self._store.home.stage_keys(keys)
            _, commit = self._store.learn_records([record])
            if self._store.epoch != record.id:
                raise Contested("the new identity record is not in force")
            await self._store.commit(commit)
            self._store.begin_epoch()
            if keys is not None:
                self._store.keys = self._store.home.promote_keys()
            await self._take_up()
        self._author.stopped = ""
        self.on_opened()
        return record

    async def _take_up(self) -> None:
        """Write ``epoch.open`` first in every stream that this node wrote in a former epoch: it names the cut."""
        names = dict.fromkeys(
            chain.stream
            for chain in self._store.admission.chains.of_node(self._store.node)
            if chain.seq and chain.epoch != self._store.epoch and not self._store.identities.is_void(chain.epoch)
        )
        drafts = [self._author.node_act(name, "epoch.open", {}) for name in names if not self._is_open(name)]
        epoch = self._store.epoch
        await self._author.order_locked(drafts, [Value(SETTINGS, _TAKEN_UP, epoch)])
        self._store.settings[_TAKEN_UP] = epoch

    def _is_open(self, stream: str) -> bool:
        chain = self._store.admission.chains.get((self._store.epoch, stream))
        return chain is not None and chain.seq > 0

    async def finish_opening(self) -> None:
        """Complete an opening that a crash cut short. What came of former epochs since it was complete is cut."""
        if self._store.record.record.n > 0:
            async with self._author.ordering():
                if self._store.settings.get(_TAKEN_UP) != self._store.epoch:
                    await self._take_up()
                await self._cut_late()

    def _published(self, published: Published) -> None:
        """Cut what comes of this node's own from before it recovered its identity, in streams that it had not held."""
        identities, own = self._store.identities, self._store.epoch
        came = any(epoch != own and identities.node_of(epoch) == self._store.node for epoch, _ in published.chains)
        if came and self._late() and (self._opening is None or self._opening.done()):
            self._opening = asyncio.create_task(self._open_late(), name="late openings")

    async def _open_late(self) -> None:
        try:
            async with self._author.ordering():
                await self._cut_late()
        except FoedusError as error:  # tried again when more comes, and at the next start
            log.warning("streams of a former epoch are not cut yet: %s: %s", error.code, error)

    async def _cut_late(self) -> None:
        """Honour nothing of them: after a recovery only this node's own log says what was its own."""
        while not self._author.stopped and (names := self._late()):
            drafts = [self._author.node_act(name, "epoch.open", {}) for name in names[:_LATE_MAX]]
            await self._author.order_locked(drafts, anew=True)

    def _late(self) -> list[str]:
        """Return the streams that wait for an opening, as those do which came after all others were taken up."""
        if self._store.settings.get(_TAKEN_UP) != self._store.epoch:
            return []
        own = self._store.admission.chains.of_node(self._store.node)
        late = dict.fromkeys(chain.stream for chain in own if chain.seq and chain.limit == AWAITING_OPENING)
        return [stream for stream in late if not self._is_open(stream)]

    # --- restore -----------------------------------------------------------------------------

    def check_superseded(self) -> None:
        """Stop authoring where the identity moved on to keys that are not here."""
        if self._is_superseded():
            self._author.stopped = _SUPERSEDED
            self._author.remedy = "if you did this on another copy of the node, use that one; else `foedus key recover`"

    def _is_superseded(self) -> bool:
        return self._store.record.record.keys.ed25519 != self._store.keys.ed25519.public

    def check_forked(self) -> None:
        """Begin to heal where a chain of this node is contested, however that became known, and no epoch has cut it."""
        own = self._store.admission.chains.of_node(self._store.node)
        if any(chain.limit.reason == "equivocation" for chain in own):
            self.saw_own()

    def proved(self, published: Published) -> None:
        """Begin to heal where a proof that was just stored contests a chain of this node."""
        if published.commit.proofs:
            self.check_forked()

    def saw_own(self) -> None:
        """Begin to heal: a peer showed a valid event of this node that it lacks."""
        self._progress.set()
        if not self._is_superseded() and (self._restore is None or self._restore.done()):
            self._author.stopped = _RESTORING
            self._author.remedy = "wait until the peers that are online have sent what they hold (seconds)"
            self._restore = asyncio.create_task(self._heal(), name="restore")
            self._restore.add_done_callback(_note_failure)

    async def _heal(self) -> None:
        """Fetch what is missing and open an epoch marked ``restored``; where the disk is full, try again later."""
        while not self._is_superseded():
            try:
                await self._fetch()
                if self._is_superseded():  # what came says so
                    return
                keys = self._store.keys
                record = successor(self._store.record, keys, keys, "restored", secrets.token_bytes(32))
                await self._open(record, None)
            except Contested as error:
                self._author.stopped, self._author.remedy = str(error), error.remedy
                return
            except Unavailable as error:
                log.warning("the restored node opens its epoch later: %s", error)
                await asyncio.sleep(_AGAIN_S)
            else:
                log.warning("%s was restored from a backup: epoch %s opened", self._store.name, record.id.hex())
                return

    async def _fetch(self) -> None:
        """Wait until peers claim nothing more of ours, and choose branches."""
        await self._fetch_branches()
        loop = asyncio.get_running_loop()
        moved_at = loop.time()
        while True:
            self._progress.clear()
            try:
                async with asyncio.timeout(_QUIET_S):  # wait_for of Python 3.11 can swallow the cancellation
                    await self._progress.wait()
                moved_at = loop.time()
            except TimeoutError:
                if not self._behind() or loop.time() > moved_at + _ANSWER_S:  # a claim that nothing follows is a lie
                    break
            await self._fetch_branches()

    def _own(self, claim: Position) -> Chain | None:
        chain = self._store.admission.chains.get((claim.epoch, claim.stream))
        return chain if chain is not None and chain.node == self._store.node else None

    def _behind(self) -> bool:
        """Whether a peer claims to hold more of an uncontested chain of ours than we do."""
        return any(
            chain is not None and not chain.contested and claim.seq > chain.seq
            for claim in self.claims()
            if (chain := self._own(claim))
        )

    async def _fetch_branches(self) -> None:
        """Take up the branches that others have seen: each step back along one is a question to the peers."""
        loop = asyncio.get_running_loop()
        end = loop.time() + _BRANCHES_S
        answer_by = end
        asked: set[bytes] = set()
        while (wanted := await self._adopt_branches()) and loop.time() < min(answer_by, end):
            if fresh := wanted - asked:
                self.ask(list(fresh))
                asked |= fresh
                answer_by = loop.time() + _ANSWER_S
            await asyncio.sleep(_STEP_S)

    async def _adopt_branches(self) -> set[bytes]:
        """Where peers hold a longer branch of a forked chain, take that one up; return the ids that are missing."""
        wanted: set[bytes] = set()
        for claim in self.claims():
            chain = self._own(claim)
            if chain is None or not chain.contested or (claim.seq, chain.id) <= (chain.seq, claim.id):
                continue
            outcome = self._store.admission.adopt(claim.id)
            if isinstance(outcome, Deferred):
                wanted.update(outcome.want)
            elif outcome.entries:
                await self._store.commit(outcome)
        return wanted


def _fresh_keys() -> NodeKeys:
    return keys_from_seeds(*(secrets.token_bytes(32) for _ in range(3)))


def _note_failure(restore: asyncio.Task[None]) -> None:
    if not restore.cancelled() and (error := restore.exception()) is not None:
        log.error("the restored node could not open an epoch: it goes on writing nothing", exc_info=error)
