"""A node without a conscience: real keys and a real handshake, and then whatever its author likes."""

import asyncio
import secrets
import time
from contextlib import asynccontextmanager, suppress

import aiohttp

from foedus.adapters.key_files import keys_from_seeds
from foedus.base.cbor import encode, frame
from foedus.base.ids import sha256
from foedus.identity.did import did_of
from foedus.identity.record import first_record, successor
from foedus.log import streams
from foedus.log.event import Act, Envelope, Event, act_signing_bytes, digest_of, encode_event, event_signing_bytes
from foedus.sync.effects import Established, Send
from foedus.sync.frames.codec import decode_frame, encode_frame
from foedus.sync.frames.events import Ack, Cursors, Events
from foedus.sync.frames.keeping import Bye
from foedus.sync.frames.peering import (
    Accepted,
    Application,
    Confirmation,
    Confirmed,
    Ended,
    Introduction,
    Pending,
    Ready,
    Refused,
    Request,
)
from foedus.sync.handshake import Initiator, Local
from foedus.trust import agreement
from tests.node.nodes import until

LINK = "/api/federation/link"
CAPABILITIES = {"events": {"major": 1, "batch": 256, "frame": 512 * 1024}}


def now():
    return time.time_ns() // 1000


def fresh_keys():
    return keys_from_seeds(*(secrets.token_bytes(32) for _ in range(3)))


class Evil:
    """An identity of its own, a link, and a pen that writes any event."""

    def __init__(self, name="mallory"):
        self.name = name
        self.keys = fresh_keys()
        self.records = [first_record(self.keys, secrets.token_bytes(32), secrets.token_bytes(32))]
        self.socket = None
        self.frames = []
        self.reading = asyncio.Event()
        self.reading.set()
        self.returns_credit = True
        self._reader = None

    @property
    def node(self):
        return self.records[0].node

    @property
    def epoch(self):
        return self.records[-1].id

    @property
    def id(self):
        return self.node.hex()

    # --- the link ----------------------------------------------------------------------------

    async def dial(self, session, url):
        """Shake hands truthfully; return once the link is established."""
        self.frames.clear()
        self.socket = await session.ws_connect(
            url + LINK, max_msg_size=1 << 20, timeout=aiohttp.ClientWSTimeout(ws_close=0.5)
        )
        core = Initiator(
            local=Local(self.keys, self.records, CAPABILITIES),
            expected=None,
            ephemeral_seed=secrets.token_bytes(32),
            random=secrets.token_bytes(32),
            known=lambda _epoch: False,
            now=now(),
        )
        (first,) = core.start()
        await self.socket.send_bytes(first.message)
        message = await self.socket.receive(10)
        if message.type is not aiohttp.WSMsgType.BINARY:
            raise ConnectionError(message)
        effects = core.handle(message.data, now())
        for effect in effects:
            if isinstance(effect, Send):
                await self.socket.send_bytes(effect.message)
            elif isinstance(effect, Established):
                self.sealing, self.opening, self.met = effect.sending, effect.receiving, effect.peer
            else:
                raise ConnectionError(effect)
        self._reader = asyncio.create_task(self._read())

    async def _read(self):
        async for message in self.socket:
            if message.type is not aiohttp.WSMsgType.BINARY:
                break
            received = decode_frame(self.opening.open(message.data))
            self.frames.append(received)
            if isinstance(received, Events) and self.returns_credit:
                with suppress(ConnectionError):
                    await self.send(Ack((), len(received.batch)))
            await self.reading.wait()

    async def send(self, *frames):
        for each in frames:
            await self.socket.send_bytes(self.sealing.seal(encode_frame(each)))

    async def send_plain(self, value):
        """Send a frame that no honest encoder would make."""
        await self.socket.send_bytes(self.sealing.seal(value if isinstance(value, bytes) else encode(value)))

    def got(self, kind):
        return [each for each in self.frames if isinstance(each, kind)]

    @property
    def is_cut_off(self):
        return self.socket.closed or any(isinstance(each, Bye | Refused | Ended) for each in self.frames)

    @property
    def goodbye(self):
        return next((each.code for each in self.frames if isinstance(each, Bye | Refused)), "")

    async def wait_for(self, kind, count=1):
        await until(lambda: len(self.got(kind)) >= count, f"{kind.__name__} comes to {self.name}")
        return self.got(kind)[-1]

    async def leave(self):
        if self._reader:
            self._reader.cancel()
        if self.socket:
            await self.socket.close()

    # --- peering -----------------------------------------------------------------------------

    def request(self, victim, name=None, note="", endpoints=(), salt=None):
        draft = agreement.draft(self.node, victim.node.store.node, [], salt or secrets.token_bytes(32))
        signature = agreement.sign(self.keys.ed25519, draft)
        return Request(Application(self.name if name is None else name, note, endpoints, draft, signature))

    async def befriend(self, session, victim, tier="CORE"):
        """Be accepted by the victim's human, as any peer is."""
        await self.dial(session, victim.url)
        await self.wait_for(Pending)
        await self.send(Pending(), self.request(victim))
        await until(lambda: self.id in {view.node for view in victim.service.peers_pending()}, "the request waits")
        await victim.service.peer_accept(self.id, tier)
        final = (await self.wait_for(Accepted)).acceptance.agreement
        await self.send(Confirmed(Confirmation(agreement.sign(self.keys.ed25519, final))))
        await self.wait_for(Ready)
        await self.open()

    async def open(self):
        await self.send(Ready(Introduction(self.name, "CORE")), Cursors((), more=False))
        await self.wait_for(Cursors)

    async def return_to(self, session, victim):
        """Come back as the peer that one is already."""
        await self.dial(session, victim.url)
        await self.wait_for(Ready)
        await self.open()

    # --- the pen -----------------------------------------------------------------------------

    def write(self, stream, seq=1, prev=None, **changes):
        """Return an event of this node (an Envelope), right in all that is not changed."""
        body, salt = changes.pop("body", {}), secrets.token_bytes(32)
        body = body if isinstance(body, bytes) else encode(body)
        device, signer = changes.pop("device", None), changes.pop("signer", self.keys.ed25519)
        at = changes.pop("at", now())
        act = Act(
            at=changes.pop("act_at", at),
            auth=tuple(changes.pop("auth", ())),
            kind=changes.pop("kind", "message.text"),
            refs=(),
            nonce=changes.pop("nonce", None) or secrets.token_bytes(16),
            author=changes.pop("author", did_of(device.public) if device else self.node),
            device=device.public if device else None,
            digest=digest_of(salt, body),
        )
        epoch = changes.pop("epoch", self.epoch)
        hlc = changes.pop("hlc", (at, 0))
        asig = device.sign(act_signing_bytes(act, epoch, stream)) if device else None
        event = Event(v=1, act=act, hlc=hlc, seq=seq, asig=asig, prev=prev, epoch=epoch, stream=stream)
        assert not changes, changes
        data = encode_event(event)
        return Envelope(data, signer.sign(event_signing_bytes(data)), salt, body)

    def rotate(self):
        """Open an epoch of one's own."""
        keys = fresh_keys()
        self.records.append(successor(self.records[-1], self.keys, keys, "rotation", secrets.token_bytes(32)))
        self.keys = keys

    def room(self, *members, host=None, name="trap"):
        """Return (room id, [room.create, member.add …]) of a room that this node hosts."""
        body = encode({"host": host or self.node, "name": name, "random": secrets.token_bytes(32)})
        room_id = sha256(body)
        stream = streams.members(room_id)
        events = [self.write(stream, kind="room.create", body=body)]
        for node in members:
            add = {"node": node, "participant": None, "heads": [], "role": None, "title": None}
            events.append(self.write(stream, len(events) + 1, id_of(events[-1]), kind="member.add", body=add))
        return room_id, events

    async def deliver(self, *envelopes):
        """Send events in one frame."""
        batch = b"".join(frame(each if isinstance(each, bytes) else each.encode()) for each in envelopes)
        await self.send(Events(batch))


def id_of(envelope):
    return sha256(envelope.event)


def stranger_records(count):
    """Records of nodes that nobody ever ran, each valid."""
    return [first_record(fresh_keys(), secrets.token_bytes(32), secrets.token_bytes(32)).plain() for _ in range(count)]


@asynccontextmanager
async def browser():
    async with aiohttp.ClientSession() as session:
        yield session


@asynccontextmanager
async def villain(victim, name="mallory", tier="CORE"):
    """An accepted peer of the victim that lies."""
    async with browser() as session:
        it = Evil(name)
        await it.befriend(session, victim, tier)
        try:
            yield it
        finally:
            await it.leave()


@asynccontextmanager
async def strangers(victim, count=1):
    """Nodes with keys of their own that the victim has never met."""
    async with browser() as session:
        crowd = [Evil(f"stranger {number}") for number in range(count)]
        try:
            for each in crowd:
                await each.dial(session, victim.url)
                await each.wait_for(Pending)
                await each.send(Pending())
            yield crowd
        finally:
            for each in crowd:
                await each.leave()
