"""Passkeys of this node's people: a second thing to have, which confirms what a browser's key signs.

A browser's key signs whatever the page asks of it, so whoever sits at an unlocked screen signs, too. Where the policy
says so (``require_passkey``), a grant or a yes that comes by a person's token is ordered only once their authenticator
has confirmed exactly this act. The operator's token is exempt: whoever has it may change the policy.
"""

from __future__ import annotations

import asyncio
from typing import NamedTuple

from msgspec import Struct
from msgspec.structs import replace

from foedus.adapters.passkeys import BadPasskey, Credential, asserted, registered
from foedus.base.cbor import decode_as, encode, learn, to_plain
from foedus.base.clock import Instant
from foedus.base.errors import NotFound, UsageError
from foedus.base.ids import sha256
from foedus.base.limits import MINUTE
from foedus.identity.passkeys import addition, challenge, removal
from foedus.log.port import Value
from foedus.node.home import check_name
from foedus.node.policy import PolicyBook
from foedus.node.store import Store

SPACE = "passkeys"
PASSKEYS_EACH_MAX = 16
"""Of one person: a phone, a laptop and a spare key or two."""
PASSKEYS_MAX = 4_096
"""Of all people of a node; 400 bytes each in memory."""
SHOWN_KEPT = 2 * MINUTE
"""From the touch to the request that it is for: the page sends both at once."""
SHOWN_MAX = 1_024
"""Confirmed and not yet used, of all people."""


class PasskeyNeeded(UsageError):
    """The policy asks for a passkey, and none has confirmed this."""

    code = "passkey_needed"
    http_status = 403
    remedy = "do it on the node's page, with your passkey; Settings there adds one"


class Passkey(Struct, frozen=True, forbid_unknown_fields=True):
    """One credential of a person. ``used``: when it confirmed something last, 0: never yet."""

    id: bytes
    did: str
    name: str
    public: bytes
    count: int
    origin: str
    added: Instant
    used: Instant = 0

    @property
    def key(self) -> bytes:
        """What it is called by: SHA-256 of the credential id, which may have a kilobyte."""
        return sha256(self.id)


learn(Passkey)


class NewPasskey(NamedTuple):
    """What comes with a new one. ``origin``: of the page that asks, by its request."""

    name: str
    salt: bytes
    response: str
    origin: str


class Passkeys:
    """The passkeys of a node, and what they confirmed of late."""

    def __init__(self, store: Store, policy: PolicyBook) -> None:
        self._store = store
        self._policy = policy
        self._held = {key: decode_as(value, Passkey) for key, value in store.log.values(SPACE).items()}
        self._shown: dict[tuple[str, bytes], Instant] = {}
        self._changing = asyncio.Lock()
        """Held from looking until what follows is durable: counters only grow, and the first one is one."""

    @property
    def required(self) -> bool:
        """Whether grants and approvals need one."""
        return self._policy.current.policy.require_passkey

    def all(self, did: str = "") -> list[Passkey]:
        """Return those of a person, or of everybody, oldest first."""
        found = (held for held in self._held.values() if did in {"", held.did})
        return sorted(found, key=lambda held: (held.added, held.key))

    async def add(self, did: str, new: NewPasskey) -> Passkey:
        """Take a new passkey, durably. Beside the first, one that is here already confirms it (``show``).

        Raises BadPasskey, PasskeyNeeded, or UsageError where there are too many or the name is none.
        """
        name = check_name(new.name)
        async with self._changing:
            self._check_room(did)
            statement = addition(self._store.node, did, name, new.salt)
            found = await asyncio.to_thread(registered, new.response, challenge(statement), new.origin)
            if sha256(found.id) in self._held:
                raise UsageError("this passkey is here already", code="passkey_exists", http_status=409)
            if self.all(did):
                self._spend(did, statement)
            now = self._store.now()
            added = Passkey(found.id, did, name, found.public, found.count, new.origin, now)
            await self._keep(added)
            return added

    def _check_room(self, did: str) -> None:
        if len(self._held) >= PASSKEYS_MAX or len(self.all(did)) >= PASSKEYS_EACH_MAX:
            raise UsageError(
                f"a person has at most {PASSKEYS_EACH_MAX} passkeys here, a node {PASSKEYS_MAX}",
                code="too_many_passkeys",
                remedy="remove one that is not used",
            )

    async def show(self, did: str, credential: bytes, statement: bytes, response: str) -> None:
        """Take a passkey's word for a statement: what it is for may come in the next two minutes, once."""
        async with self._changing:
            held = self._held.get(sha256(credential))
            if held is None or held.did != did:
                raise BadPasskey("this is no passkey of yours at this node")
            known = Credential(held.public, held.count, held.origin)
            count = await asyncio.to_thread(asserted, response, challenge(statement), known)
            now = self._store.now()
            await self._keep(replace(held, count=count, used=now))
            self._forget(now)
            self._shown[did, sha256(statement)] = now

    def _forget(self, now: Instant) -> None:
        for key in [key for key, at in self._shown.items() if at + SHOWN_KEPT <= now]:
            del self._shown[key]
        while len(self._shown) >= SHOWN_MAX:
            del self._shown[next(iter(self._shown))]

    def check(self, did: str, statement: bytes) -> None:
        """Let an act pass where none is required, or one has confirmed it; raise PasskeyNeeded."""
        if self.required:
            self._spend(did, statement)

    def _spend(self, did: str, statement: bytes) -> None:
        at = self._shown.pop((did, sha256(statement)), None)
        if at is None or at + SHOWN_KEPT <= self._store.now():
            raise PasskeyNeeded("this has to be confirmed with a passkey")

    async def remove(self, key: bytes, did: str = "") -> None:
        """Forget a passkey. ``did``: the person who asks, and has confirmed it with one of theirs; '' the operator."""
        async with self._changing:
            held = self._held.get(key)
            if held is None or did not in {"", held.did}:
                raise NotFound("there is no such passkey", code="unknown_passkey", remedy="see `foedus passkey list`")
            if did:
                self._spend(did, removal(self._store.node, did, key))
            await self._store.put(Value(SPACE, key, None))
            del self._held[key]

    async def _keep(self, passkey: Passkey) -> None:
        await self._store.put(Value(SPACE, passkey.key, encode(to_plain(passkey))))
        self._held[passkey.key] = passkey
