"""Acts of agents that wait for a human: kept durably, decided once, and then done by the node.

An approval holds the canonical act but for what its ordering adds. Who allows it signs a delegation that is bound to
the act's digest; the act cites it, so what another node checks is the human's signature and not this node's word.
"""

from __future__ import annotations

import asyncio
import secrets
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Annotated, Literal, TypeAlias

from msgspec import Meta, Struct
from msgspec.structs import replace

from foedus.base.cbor import Malformed, NotCanonical, decode_as, encode, to_plain
from foedus.base.clock import Instant
from foedus.base.errors import NotFound, Unavailable, UsageError
from foedus.base.limits import DAY, MINUTE, NONCE_BYTES, SALT_BYTES
from foedus.log.event import Id, digest_of, read_event
from foedus.log.port import Row, Value
from foedus.node.publisher import Published
from foedus.node.store import Store
from foedus.trust.border import Crossing

APPROVALS = "approvals"
WAITING_MAX = 256
"""Acts that wait for a human at one time: more than anybody reads."""
WAITING_EACH_MAX = 32
"""Of one participant: an agent that asks all day leaves room for seven others that do."""
KEPT_MAX = 1_024
"""Approvals that are kept, decided ones included; the oldest decided goes first."""
WAITS = DAY
"""An act that nobody decided on for so long is dropped: what it answered is forgotten by then."""
CARRIES = 10 * MINUTE
"""How long a delegation for one act is good: it is used at once, and a clock may be off."""

_PASSES_ON = "knowledge.republish"
"""The kind whose body holds another event whole; its ``refs`` name that."""

State: TypeAlias = Literal["waiting", "allowed", "done", "denied", "expired", "failed"]


class TooManyApprovals(Unavailable):
    """As many acts wait for a human as this node keeps."""

    code = "too_many_approvals"
    http_status = 429
    remedy = "decide on those that wait: `foedus approval list`"


class Approval(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One act that waits or waited. ``id`` is 16 hex digits; instants in microseconds.

    ``did`` and ``device``: the agent and its key; ``body`` and ``salt`` give the digest that the delegation names.
    Of a call ``salt`` is the nonce, and ``wait_ms`` until its deadline. ``hosts``: further nodes that it reaches, hex;
    ``refs``: what it cites. ``needed``: how many human signers; ``grants``: the events that gave them; ``humans``:
    their DIDs. ``event``: what became of it. ``is_custodial``: the node does it by itself once it is allowed.
    """

    v: Annotated[int, Meta(ge=1, le=1)] = 1
    id: str
    did: str
    device: Id
    is_custodial: bool
    stream: str
    kind: str
    body: bytes
    salt: Annotated[bytes, Meta(min_length=NONCE_BYTES, max_length=SALT_BYTES)]
    command: str
    arguments: dict[str, str]
    clause: str
    needed: int
    asked_at: Instant
    until: Instant
    state: State = "waiting"
    grants: tuple[Id, ...] = ()
    humans: tuple[str, ...] = ()
    event: Id | None = None
    reason: str = ""
    decided_at: Instant = 0
    hosts: tuple[str, ...] = ()
    refs: tuple[Id, ...] = ()
    wait_ms: int = 0

    @property
    def is_open(self) -> bool:
        """Whether a human may still decide."""
        return self.state == "waiting"

    @property
    def crossings(self) -> list[Crossing]:
        """What it asks of each node that it reaches."""
        hosts = (self.arguments["host"], *self.hosts)
        return [Crossing(self.command, self.arguments | {"host": host}) for host in hosts]

    @property
    def is_undone(self) -> bool:
        """Whether a human, or after one this node, has still to do something: an own key's agent goes on by itself."""
        return self.is_open or (self.state == "allowed" and self.is_custodial)


class Approvals:
    """The node's approvals. ``on_change`` is told of each new state, once it is durable."""

    def __init__(self, store: Store) -> None:
        self.on_change: Callable[[Approval], None] = lambda _approval: None
        self._store = store
        self._changed = asyncio.Condition()
        self._held: dict[str, Approval] = {}
        self._asking: Counter[str] = Counter()
        """Participant → its acts on their way to the disk."""
        self._load()
        store.on_reload.append(self._load)
        store.publisher.bookkeepers.append(self._published)

    def _load(self) -> None:
        stored = (_decode(data) for data in self._store.log.values(APPROVALS).values())
        self._held = {approval.id: approval for approval in stored}

    def _published(self, published: Published) -> None:
        """Let go of what is durably dropped."""
        for value in published.commit.values:
            if value.space == APPROVALS and value.value is None:
                self._held.pop(value.key.hex(), None)

    def all(self) -> list[Approval]:
        """Return the approvals, oldest first."""
        return sorted((self._timely(held) for held in self._held.values()), key=lambda held: (held.asked_at, held.id))

    def get(self, wanted: str) -> Approval:
        """Return an approval by its id or the beginning of it; raise NotFound."""
        found = [held for held in self._held.values() if wanted and held.id.startswith(wanted)]
        if len(found) != 1:
            raise NotFound(
                f"no approval {wanted[:32]!r} is held"
                if not found
                else f"{wanted[:32]!r} names {len(found)} approvals",
                code="unknown_approval",
                remedy="see `foedus approval list`",
            )
        return self._timely(found[0])

    def allowed(self, did: str, digest: bytes) -> Approval | None:
        """Return what an agent with a key of its own may say, in the words of a digest, and has not said yet."""
        wanted = (did, "allowed", digest.hex(), False)
        found = (
            held
            for held in self._held.values()
            if (held.did, held.state, held.arguments["digest"], held.is_custodial) == wanted
        )
        return next(found, None)

    def _timely(self, approval: Approval) -> Approval:
        """Show an act that waited too long as expired."""
        late = approval.is_open and approval.until <= self._store.now()
        return replace(approval, state="expired") if late else approval

    async def ask(self, template: Approval, crossing: Crossing) -> Approval:
        """Keep an act for a human. ``template`` says all but id, times and what the crossing says."""
        self._check_room(template.did)
        now = self._store.now()
        approval = replace(
            template,
            id=secrets.token_hex(8),
            command=crossing.command,
            arguments=dict(crossing.arguments),
            asked_at=now,
            until=now + WAITS,
        )
        self._asking[template.did] += 1
        try:
            await self._make_room()
            return await self.save(approval)
        finally:
            self._asking -= Counter([template.did])

    def _check_room(self, did: str) -> None:
        """Raise TooManyApprovals where too many acts wait, of this participant or of all."""
        waiting = self._asking + Counter(held.did for held in self.all() if held.is_open)
        if waiting[did] >= WAITING_EACH_MAX:
            raise TooManyApprovals(f"{waiting[did]} acts of this participant wait for a human already")
        if waiting.total() >= WAITING_MAX:
            raise TooManyApprovals(f"{waiting.total()} acts wait for a human already")

    async def save(self, approval: Approval) -> Approval:
        """Store an approval durably, and tell who waits for it."""
        await self._store.put(Value(APPROVALS, bytes.fromhex(approval.id), encode(to_plain(approval))))
        self._held[approval.id] = approval
        async with self._changed:
            self._changed.notify_all()
        self.on_change(approval)
        return approval

    async def _make_room(self) -> None:
        if len(self._held) < KEPT_MAX:
            return
        oldest = next((held for held in self.all() if not held.is_open), None)
        if oldest is None:
            raise TooManyApprovals(f"{len(self._held)} approvals are kept already")
        await self._store.put(Value(APPROVALS, bytes.fromhex(oldest.id), None))
        self._held.pop(oldest.id, None)  # bookkeepers hear of events alone

    def forget(self, row: Row) -> list[Value]:
        """Return what drops the acts that became an event which is erased, or would pass it on, with all that it says.

        They are let go once that is durable.
        """
        digest = read_event(row.envelope).act.digest
        gone = [
            held
            for held in self._held.values()
            if digest_of(held.salt, held.body) == digest or (held.kind == _PASSES_ON and row.id in held.refs)
        ]
        return [Value(APPROVALS, bytes.fromhex(held.id), None) for held in gone]

    async def settle(self, approval: Approval, state: State, **changes: object) -> Approval:
        """Give an approval its next state."""
        return await self.save(replace(approval, state=state, decided_at=self._store.now(), **changes))

    async def decided(self, wanted: str, wait_s: float) -> Approval:
        """Return an approval once nobody has to decide any more, or as it is after ``wait_s``."""
        approval = self.get(wanted)
        try:
            async with asyncio.timeout(wait_s), self._changed:
                while self.get(approval.id).is_undone:
                    await self._changed.wait()
        except TimeoutError:
            pass
        return self.get(approval.id)


def check_open(approval: Approval) -> None:
    """Raise UsageError where a human decided already, or too late."""
    if not approval.is_open:
        raise UsageError(
            f"that approval is {approval.state} already",
            code="already_decided",
            http_status=409,
            remedy="the agent has to ask again",
        )


def _decode(data: bytes) -> Approval:
    try:
        return decode_as(data, Approval)
    except (NotCanonical, Malformed) as error:
        raise TypeError(f"a stored approval cannot be read: {error}") from None


def arguments_of(approval: Approval) -> Mapping[str, str]:
    """Return what a delegation for this one act is bound to."""
    return {name: approval.arguments[name] for name in ("room", "digest") if name in approval.arguments}
