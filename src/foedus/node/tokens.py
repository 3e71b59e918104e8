"""Bearer tokens of participants: which participant and which device stands behind a request to the API.

A token is 32 random bytes. Only its SHA-256 is kept, in the node's durable store, so neither the disk nor a backup
opens anything. It is bound to a participant and to one of its devices, and to the authority's fold: the moment the
device is revoked it is nobody's, before anything is deleted.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Callable
from typing import Literal

from msgspec import Struct

from foedus.base.cbor import decode_as, encode, learn
from foedus.base.errors import FoedusError, UsageError
from foedus.base.ids import sha256
from foedus.crypto.compare import equal
from foedus.log.participants import Participant
from foedus.log.port import Value
from foedus.node.publisher import Published
from foedus.node.store import Store

log = logging.getLogger("foedus.tokens")

SPACE = "tokens"
TOKEN_BYTES = 32
TOKENS_MAX = 16_384
"""Tokens of one node, one for a device: a participant has one or two, and a node 10,000 participants at most. 300
bytes each in memory."""


class TooManyTokens(UsageError):
    """As many tokens as a node keeps are in force."""

    code = "too_many_tokens"
    http_status = 429
    remedy = "revoke some: `foedus device list`, `foedus participant token NAME --revoke`"


class Token(Struct, frozen=True, forbid_unknown_fields=True):
    """What is kept of a token. ``bound``: requests must prove the device, since its key is not in the node.

    ``key``: SHA-256 of the token; ``epoch``: the number of the node's epoch in which it was issued.
    """

    key: bytes
    did: str
    device: bytes
    bound: bool
    issued: int
    epoch: int


class Holder(Struct, frozen=True, kw_only=True):
    """Who stands behind a valid token. ``key``: SHA-256 of the token."""

    key: bytes
    did: str
    device: bytes
    kind: Literal["human", "agent"]
    bound: bool


learn(Token)


class Tokens:
    """The tokens in force."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._tokens = {key: decode_as(value, Token) for key, value in store.log.values(SPACE).items()}
        self.governs: Callable[[str], bool] = lambda _did: False
        """Whether the node is a participant's own (DID): what was opened by that alone ends when it is so no more."""
        self._watched: dict[bytes, set[asyncio.Event]] = {}
        self._governing: dict[asyncio.Event, str] = {}
        self._deleting: set[asyncio.Task[None]] = set()

    async def issue(self, who: Participant, device: bytes) -> str:
        """Return a new token for a device in force of a local participant, durably; its former one is void.

        Raises UsageError (``unknown_device``) and TooManyTokens.
        """
        if not _is_in_force(who, device):
            raise UsageError(f"{who.name} has no such device in force", code="unknown_device")
        former = self._of_device(who.did, device)
        if len(self._tokens) - len(former) >= TOKENS_MAX:
            raise TooManyTokens(f"a node keeps at most {TOKENS_MAX} tokens")
        text = secrets.token_urlsafe(TOKEN_BYTES)
        key = sha256(text.encode())
        epoch = self._store.record.record.n
        token = Token(key, who.did, device, who.custody == "device", self._store.now(), epoch)
        kept = Value(SPACE, key, encode(_plain(token)))
        await self._store.put(kept, *(Value(SPACE, old, None) for old in former))
        self._tokens[key] = token
        self._drop(former)
        return text

    async def revoke(self, did: str, device: bytes) -> bool:
        """End the token of a device, durably, and what it has open. Tell whether there was one."""
        former = self._of_device(did, device)
        await self._store.put(*(Value(SPACE, key, None) for key in former))
        self._drop(former)
        return bool(former)

    def find(self, text: bytes) -> Holder | None:
        """Return who holds a token, or None where it is unknown or its device is revoked."""
        key = sha256(text)
        token = self._tokens.get(key)
        return self._holder(token) if token is not None and equal(token.key, key) else None

    def is_valid(self, holder: Holder) -> bool:
        """Whether a token that was found still is one."""
        token = self._tokens.get(holder.key)
        return token is not None and self._holder(token) is not None

    def watch(self, holder: Holder, *, governing: bool = False) -> asyncio.Event:
        """Return an event that is set when the token dies; ``unwatch`` when nothing more depends on it.

        ``governing``: also when the node is its holder's own no more.
        """
        event = asyncio.Event()
        self._watched.setdefault(holder.key, set()).add(event)
        if governing:
            self._governing[event] = holder.did
        if not self.is_valid(holder) or (governing and not self.governs(holder.did)):
            event.set()
        return event

    def standings_changed(self) -> None:
        """End what those have open who governed, and do so no more."""
        for event, did in self._governing.items():
            if not self.governs(did):
                event.set()

    def unwatch(self, holder: Holder, event: asyncio.Event) -> None:
        """Forget an event of ``watch``."""
        self._governing.pop(event, None)
        watching = self._watched.get(holder.key, set())
        watching.discard(event)
        if not watching:
            self._watched.pop(holder.key, None)

    def published(self, published: Published) -> None:
        """Let tokens of revoked devices, and those that a backup brought back, go; end what they have open.

        A listener of the publisher.
        """
        commit = published.commit
        may_end = commit.verdicts or commit.records or self._is_revoked_here(published)
        if not self._tokens or not may_end:
            return
        restored = self._restored()  # once: there may be as many tokens as TOKENS_MAX, and peers cause this
        dead = [key for key, token in self._tokens.items() if self._holder(token, restored) is None]
        if dead:
            self._drop(dead)
            task = asyncio.ensure_future(self._delete(dead))
            self._deleting.add(task)
            task.add_done_callback(self._deleting.discard)

    async def _delete(self, keys: list[bytes]) -> None:
        try:
            await self._store.put(*(Value(SPACE, key, None) for key in keys))
        except FoedusError as error:  # after a restart they are as dead: their device is
            log.warning("tokens of revoked devices were not deleted: %s", error)

    def _is_revoked_here(self, published: Published) -> bool:
        """Whether a device of this node's own participants is revoked."""
        if "device.revoke" not in published.kinds:
            return False
        node_of, own = self._store.identities.node_of, self._store.node
        return any(row.kind == "device.revoke" and node_of(row.epoch) == own for row in published.rows)

    def _restored(self) -> int:
        """Return the number of the last epoch that was opened after a backup was restored, -1 where none was."""
        records = (held.record for held in self._store.identities.history(self._store.node))
        return max((record.n for record in records if record.cause == "restored"), default=-1)

    def _drop(self, keys: list[bytes]) -> None:
        for key in keys:
            self._tokens.pop(key, None)
            for event in self._watched.get(key, ()):
                event.set()

    def _of_device(self, did: str, device: bytes) -> list[bytes]:
        return [key for key, token in self._tokens.items() if (token.did, token.device) == (did, device)]

    def _holder(self, token: Token, restored: int | None = None) -> Holder | None:
        """Return who holds a token, None where it is dead. ``restored``: what ``_restored`` returns.

        One that came back with a backup is dead, since that does not know what was revoked; what is bound to a device
        serves nobody else, and that it is revoked the log says.
        """
        who = self._store.admission.authority.participants.get((self._store.node, token.did))
        if who is None or not _is_in_force(who, token.device):
            return None
        if not token.bound and token.epoch < (self._restored() if restored is None else restored):
            return None
        return Holder(key=token.key, did=who.did, device=token.device, kind=who.kind, bound=token.bound)


def _is_in_force(who: Participant, key: bytes) -> bool:
    device = who.devices.get(key)
    return device is not None and device.cuts is None


def _plain(token: Token) -> dict[str, object]:
    return {name: getattr(token, name) for name in token.__struct_fields__}
