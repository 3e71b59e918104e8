"""Authoring: this node orders acts in its own chains. hash → sign → one transaction → visible."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

from foedus.base.cbor import encode
from foedus.base.clock import Hlc, Instant
from foedus.base.errors import FoedusError, PeerViolation
from foedus.base.ids import sha256
from foedus.base.limits import BODY_MAX, CLOCK_AHEAD_MAX, NONCE_BYTES, SALT_BYTES
from foedus.crypto import ed25519
from foedus.crypto.ed25519 import Ed25519Key
from foedus.log.chains import Chain
from foedus.log.citing import CITING
from foedus.log.event import (
    Act,
    Envelope,
    Event,
    Parsed,
    TooLarge,
    act_signing_bytes,
    digest_of,
    encode_event,
    event_signing_bytes,
)
from foedus.log.port import Commit, Row, Value, Verdict
from foedus.node.author_bounds import Bounds, Refusal
from foedus.node.store import NotReady, Store

_PAGE = 256
_THREAD_SIGNINGS = 32
"""From so many signatures on a batch is signed in worker threads (25 µs each)."""


class Draft(NamedTuple):
    """An act to be ordered in ``stream``: made and signed, its body at hand. ``asig`` None: the node acts.

    ``signer`` is set where the node keeps the device's key and signs the act itself.
    """

    stream: str
    act: Act
    asig: bytes | None
    salt: bytes
    body: bytes
    signer: Ed25519Key | None = None


class Author:
    """Orders acts. One per node, on the event loop's thread."""

    def __init__(self, store: Store) -> None:
        self.stopped = ""
        """Why nothing is authored now; '' where it is."""
        self.remedy = ""
        self.on_refused: Callable[[Draft, FoedusError], None] = lambda _draft, _error: None
        self._store = store
        self._order = asyncio.Lock()
        self._pool = ThreadPoolExecutor(2, thread_name_prefix="sign")

    def close(self) -> None:
        """Stop the worker threads."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    # --- acts --------------------------------------------------------------------------------

    def node_act(self, stream: str, kind: str, body: Any, auth: Sequence[bytes] = ()) -> Draft:
        """Return an act of the node itself. ``body``: a map."""
        return self._draft(stream, kind, body, auth, self._store.node, None)

    def custodial_act(
        self, stream: str, kind: str, body: Any, auth: Sequence[bytes], did: str, signer: Ed25519Key
    ) -> Draft:
        """Return an act of an agent whose key this node keeps; it is signed when it is ordered."""
        return self._draft(stream, kind, body, auth, did, signer)

    def _draft(  # the parts of an act
        self, stream: str, kind: str, body: Any, auth: Sequence[bytes], author: Any, signer: Ed25519Key | None
    ) -> Draft:
        body_bytes = body if isinstance(body, bytes) else encode(body)
        secret = os.urandom(SALT_BYTES + NONCE_BYTES)
        salt = secret[:SALT_BYTES]
        act = Act(
            at=self._store.now(),
            auth=tuple(auth),
            kind=kind,
            refs=(),
            nonce=secret[SALT_BYTES:],
            author=author,
            device=signer.public if signer else None,
            digest=digest_of(salt, body_bytes),
        )
        return Draft(stream, act, None, salt, body_bytes, signer)

    # --- ordering ----------------------------------------------------------------------------

    async def order(self, drafts: Sequence[Draft]) -> list[Row]:
        """Order acts in the given order, durably; return their rows.

        Raises Refusal (nothing of the batch is ordered), ClockAhead, NotReady or Unavailable.
        """
        try:
            future = await self._place(drafts)
        except FoedusError as error:
            if drafts:
                self.on_refused(drafts[0], error)
            raise
        return await future

    async def _place(self, drafts: Sequence[Draft]) -> asyncio.Future[list[Row]]:
        """Sign acts, give them their places, and queue the commit."""
        self._check_writes()
        signed = await self._sign_acts(drafts)
        async with self._order:
            self._check_writes()
            commit, encoded = await self._append(signed)
            return self._store.begin_commit(commit, encoded)

    def ordering(self) -> asyncio.Lock:
        """Return the lock under which this node's chains grow: an epoch is opened under it."""
        return self._order

    async def order_locked(
        self, drafts: Sequence[Draft], values: Sequence[Value] = (), *, anew: bool = False
    ) -> list[Row]:
        """Order the node's own acts for a caller that holds ``ordering``, also while authoring is stopped.

        ``values`` are stored with them. ``anew``: a chain that begins honours nothing of the former ones.
        """
        commit, encoded = await self._append(drafts, anew=anew)
        return await self._store.begin_commit(commit._replace(values=values), encoded)

    def _check_writes(self) -> None:
        if self.stopped:
            raise NotReady(self.stopped, remedy=self.remedy)

    async def _sign_acts(self, drafts: Sequence[Draft]) -> list[Draft]:
        """Sign custodial acts; check the device's signature of the others."""
        epoch = self._store.epoch
        for draft in drafts:
            if len(draft.body) > BODY_MAX:
                raise TooLarge(f"a body has at most {BODY_MAX} bytes, not {len(draft.body)}")
        jobs = [draft for draft in drafts if draft.act.device is not None]
        if len(jobs) < _THREAD_SIGNINGS:
            done = _sign_chunk(jobs, epoch)
        else:
            half = -(-len(jobs) // 2)
            loop = asyncio.get_running_loop()
            parts = [jobs[:half], jobs[half:]]
            done = [
                asig
                for part in await asyncio.gather(
                    *(loop.run_in_executor(self._pool, _sign_chunk, part, epoch) for part in parts)
                )
                for asig in part
            ]
        signatures = iter(done)
        return [draft if draft.act.device is None else draft._replace(asig=next(signatures)) for draft in drafts]

    async def _append(self, drafts: Sequence[Draft], *, anew: bool = False) -> tuple[Commit, dict[bytes, bytes]]:
        """Give each act its place, judge it, sign the events, and admit them. Runs under the order lock.

        The chain heads are taken before and checked after the signing, since foreign events are admitted meanwhile;
        nobody else writes this node's chains.
        """
        built = self._build(drafts, anew=anew)
        messages = [event_signing_bytes(item.envelope.event) for item, _ in built]
        if len(built) < _THREAD_SIGNINGS:
            sigs = [self._store.keys.ed25519.sign(message) for message in messages]
        else:
            half = -(-len(messages) // 2)
            loop = asyncio.get_running_loop()
            key = self._store.keys.ed25519
            parts = await asyncio.gather(
                *(
                    loop.run_in_executor(self._pool, _sign_events, key, part)
                    for part in (messages[:half], messages[half:])
                )
            )
            sigs = [sig for part in parts for sig in part]
        return self._admit([(_signed(item, sig), chain) for (item, chain), sig in zip(built, sigs, strict=True)])

    def _build(self, drafts: Sequence[Draft], *, anew: bool) -> list[tuple[Parsed, Chain]]:
        now = self._store.now()
        epoch = self._store.epoch
        ends: dict[str, tuple[int, bytes | None, Hlc]] = {}
        built = []
        bounds = Bounds(self._store.admission, self._store.node)
        for draft in drafts:
            chain = self._store.admission.chains.ensure(epoch, draft.stream, self._store.node)
            start = (0, None, chain.hlc) if anew and not chain.seq else None
            seq, prev, after = ends.get(draft.stream) or start or self._end(chain, now)
            hlc = self._store.clock.tick(now, after)
            event = Event(
                v=1,
                act=draft.act,
                hlc=hlc,
                seq=seq + 1,
                asig=draft.asig,
                prev=prev,
                epoch=epoch,
                stream=draft.stream,
            )
            data = encode_event(event)
            parsed = Parsed(Envelope(data, b"", draft.salt, draft.body), event, sha256(data), None)
            self._check_authority(parsed, chain, bounds)
            ends[draft.stream] = (seq + 1, parsed.id, hlc)
            built.append((parsed, chain))
        return built

    def _end(self, chain: Chain, now: Instant) -> tuple[int, bytes | None, Hlc]:
        """Return (seq, id, clock) that the next event follows; a new epoch's first follows the former chain.

        What that chain has from the future is left behind the cut: no peer has taken it, and nothing could follow it.
        """
        if chain.seq:
            return chain.seq, chain.id, chain.hlc
        for former in self._store.identities.ancestors(chain.epoch):
            before = self._store.admission.chains.get((former, chain.stream))
            if before is not None and before.seq:
                if before.hlc.us <= now + CLOCK_AHEAD_MAX:
                    return 0, before.id, before.hlc
                if row := self._timely(before, now):
                    return 0, row.id, row.hlc
        return 0, None, chain.hlc

    def _timely(self, chain: Chain, now: Instant) -> Row | None:
        """Return the last event of a chain that peers would not put off as from the future."""
        before = chain.seq + 1
        while rows := self._store.log.chain_backwards(chain.epoch, chain.stream, before, _PAGE):
            for row in rows:
                if row.hlc.us <= now + CLOCK_AHEAD_MAX:
                    return row
            before = rows[-1].seq
        return None

    def _check_authority(self, parsed: Parsed, chain: Chain, bounds: Bounds) -> None:
        """Refuse what peers would put off, and in rooms and knowledge what every reader would reject.

        The folds of other streams judge in place.
        """
        if chain.kind in CITING:
            judged = self._store.admission.judge_own(parsed, chain)
            if judged.verdict is not Verdict.ACCEPTED:
                raise Refusal(f"the act is not authorised here: {judged.reason}", code=judged.reason)
        bounds.check(parsed)

    def _admit(self, items: Sequence[tuple[Parsed, Chain]]) -> tuple[Commit, dict[bytes, bytes]]:
        commits = []
        for parsed, chain in items:
            if chain.seq + 1 != parsed.event.seq or (chain.seq and chain.id != parsed.event.prev):
                raise NotReady("events of this node came from a peer meanwhile", remedy="try again")
            commits.append(self._store.admission.append(parsed, chain).commit)
        merged = Commit(
            entries=[entry for commit in commits for entry in commit.entries],
            verdicts=[verdict for commit in commits for verdict in commit.verdicts],
        )
        return merged, {parsed.id: parsed.envelope.encode() for parsed, _ in items}


def _signed(item: Parsed, sig: bytes) -> Parsed:
    event, _, salt, body = item.envelope
    return Parsed(Envelope(event, sig, salt, body), item.event, item.id, item.act_bytes)


def _sign_chunk(drafts: Sequence[Draft], epoch: bytes) -> list[bytes]:
    """Return the device signatures of acts: made where the key is kept here, else checked."""
    found: list[bytes] = []
    for draft in drafts:
        message = act_signing_bytes(draft.act, epoch, draft.stream)
        if draft.signer is not None:
            found.append(draft.signer.sign(message))
        elif draft.asig is not None and ed25519.verify(draft.act.device or b"", message, draft.asig):
            found.append(draft.asig)
        else:
            raise PeerViolation(
                "the act is not signed by its device for this node's epoch and this stream",
                code="invalid_signature",
                remedy="sign {act, epoch, stream} with the epoch that GET /api/v1/signing returns",
            )
    return found


def _sign_events(key: Ed25519Key, messages: Sequence[bytes]) -> list[bytes]:
    return [key.sign(message) for message in messages]
