"""An in-memory NodeService: enough for the tests of every surface."""

import asyncio
import time

import msgspec

from foedus.base.errors import NotFound, UsageError
from foedus.values.audit import AuditPage
from foedus.values.node import (
    IdentityView,
    NearbyView,
    ParticipantView,
    PeerView,
    Placed,
    ProbeView,
    PruningView,
    RotationView,
    SigningContext,
    StatusView,
    VerifyReport,
)
from foedus.values.rooms import EventsPage, MemberView, MessagesPage, RoomView
from tests.surfaces.http.fake_access import FakeAccess
from tests.surfaces.http.fake_agreements import FakeAgreements
from tests.surfaces.http.fake_calls import FakeCalls
from tests.surfaces.http.fake_councils import FakeCouncils
from tests.surfaces.http.fake_crdts import FakeCrdts
from tests.surfaces.http.fake_credentials import FakeCredentials
from tests.surfaces.http.fake_documents import FakeDocuments
from tests.surfaces.http.fake_knowledge import FakeKnowledge
from tests.surfaces.http.fake_names import FakeNames
from tests.surfaces.http.fake_passkeys import FakePasskeys
from tests.surfaces.http.fake_queries import FakeQueries
from tests.surfaces.http.fake_standing import FakeStanding
from tests.surfaces.http.fake_values import EPOCH, NODE, STORE, a_peer, an_event, hex_id

TOKEN = "operator-token"
PREFIX_MIN = 8


class FakeService(
    FakeAccess,
    FakeNames,
    FakeCredentials,
    FakeStanding,
    FakeCouncils,
    FakeCrdts,
    FakeDocuments,
    FakeQueries,
    FakeCalls,
    FakeKnowledge,
    FakePasskeys,
):
    """Keeps everything in dictionaries. ``calls`` records (method, arguments) for assertions."""

    def __init__(self, token=TOKEN):
        self.token = token
        self.calls = []
        self.known_peers: dict[str, PeerView] = {}
        self.known_rooms: dict[str, RoomView] = {}
        self.people: dict[str, ParticipantView] = {}
        self.keys: dict[str, str] = {}
        self.log = []
        self.audited = []
        self.followers = 0
        self._news = asyncio.Condition()
        self.agreements = FakeAgreements(self._note)

    def _note(self, method, *arguments):
        self.calls.append((method, arguments))

    # --- the node ---------------------------------------------------------------------------
    def identity(self):
        return IdentityView(
            node=NODE,
            epoch=EPOCH,
            epoch_number=0,
            did="did:key:z6MkFake",
            name="fake",
            version="0.1.0",
            ed25519="cc" * 32,
            endpoints=["ws://127.0.0.1:8102"],
        )

    def status(self):
        return StatusView(
            troubles=[],
            identity=self.identity(),
            started_at=1,
            uptime_us=2,
            home="/fake",
            events=len(self.log),
            chains=1,
            contested_chains=0,
            authoring=True,
            pending_requests=len(self.peers_pending()),
            peers=self.peers(),
            memory_bytes=1,
            refused={},
            last_local=len(self.log),
            store_id=STORE,
        )

    def signing_context(self):
        return SigningContext(node=NODE, epoch=EPOCH, now=time.time_ns() // 1000)

    async def verify(self):
        return VerifyReport(
            ok=True,
            events=len(self.log),
            signatures=len(self.log),
            bodies=len(self.log),
            chains=1,
            checkpoints=0,
            records=1,
            problems=[],
            seconds=0.1,
        )

    async def key_rotate(self):
        return RotationView(node=NODE, epoch="ef" * 32, epoch_number=1, cause="rotation")

    async def key_recover(self, words):
        self._note("key_recover")
        if len(words.split()) != 24:
            raise UsageError("there are 24 recovery words", code="bad_words")
        return RotationView(node=NODE, epoch="ef" * 32, epoch_number=1, cause="recovery")

    def metrics(self):
        return b"# TYPE foedus_events gauge\nfoedus_events %d\n" % len(self.log)

    # --- peers ------------------------------------------------------------------------------
    async def probe(self, url):
        return ProbeView(url=url, node="bb" * 32, did="did:key:z6MkOther", name="other", endpoints=[url])

    async def peers_nearby(self, wait_s):
        self._note("peers_nearby", wait_s)
        return NearbyView(interface="127.0.0.1", announced=False, nodes=[])

    def check_rate(self, caller, address):
        pass

    async def peer_confirm(self, peer):
        return self._change(peer, state="connected", connected_at=2)

    async def peer_request(self, url, *, expect="", note="", tier="CORE"):
        self._note("peer_request", url, expect, note, tier)
        node = expect or hex_id("peer", url)
        self.known_peers[node] = a_peer(node, state="requested", url=url, note=note, tier=tier)
        return self.known_peers[node]

    def peers(self):
        return list(self.known_peers.values())

    def peers_pending(self):
        return [peer for peer in self.peers() if peer.state == "incoming"]

    def peer(self, peer):
        for node, view in self.known_peers.items():
            if peer in {node, view.name} or (len(peer) >= PREFIX_MIN and node.startswith(peer)):
                return view
        raise NotFound(f"there is no peer {peer[:80]!r}")

    def _change(self, peer, **changes):
        view = self.peer(peer)
        self._note("peer_change", view.node, changes)
        self.known_peers[view.node] = msgspec.structs.replace(view, **changes)
        return self.known_peers[view.node]

    async def peer_accept(self, peer, tier=None):
        return self._change(peer, state="connected", tier=tier or "CORE", connected_at=2)

    async def peer_decline(self, peer):
        return self._change(peer, state="declined")

    async def peer_ignore(self, peer):
        return self._change(peer, state="ignored")

    async def peer_tier(self, peer, tier):
        return self._change(peer, tier=tier)

    async def peer_pause(self, peer):
        return self._change(peer, paused=True)

    async def peer_resume(self, peer):
        return self._change(peer, paused=False)

    async def peer_disconnect(self, peer, reason=""):
        self._note("peer_disconnect", peer, reason)
        return self._change(peer, state="disconnected", tier="UNKNOWN")

    async def peer_follow(self, peer):
        return self._change(peer, held_epoch=None)

    async def peer_trust(self, key, tier):
        self.keys[key] = tier

    async def peer_untrust(self, key):
        if self.keys.pop(key, None) is None:
            raise NotFound("this key is not trusted")

    def note_operation(self, actor, operation, code):
        self.audited.append((actor, operation, code))

    def policy(self):
        return []

    async def audit_rows(self, *, after="", limit=100, newest=False):  # noqa: ARG002  # NodeService
        return AuditPage(rows=[], cursor=after or "0")

    async def audit_follow(self, *, after=None):
        await asyncio.Event().wait()
        yield after

    def trusted(self):
        return dict(self.keys)

    # --- participants and rooms -------------------------------------------------------------
    def participants(self, query=""):
        return [person for person in self.people.values() if query in person.name or query in person.did]

    async def participant_add_custodial(self, name):
        person = ParticipantView(
            did=f"did:key:z{hex_id('agent', name)}",
            name=name,
            kind="agent",
            custody="node",
            node=NODE,
            node_name="fake",
            is_local=True,
            devices=[],
        )
        self.people[person.did] = person
        return person

    async def participant_act(self, did, act):
        self._note("participant_act", did, act)
        return await self._place(f"participant:{did}", None, did)

    def device_cuts(self, did, device):
        return [[hex_id("chain", did), 3, hex_id("event", device)]]

    # --- grants and approvals -----------------------------------------------------------------
    def grants(self):
        return []

    def grant(self, grant):
        raise NotFound(f"there is no grant {grant[:80]!r}")

    def grant_cuts(self, grant):
        return self.grant(grant)

    def approvals(self):
        return []

    async def approval(self, approval, *, wait_s=0):
        raise NotFound(f"there is no approval {approval[:80]!r} after {wait_s} s")

    async def approval_ask(self, room, agent, text, delta=""):
        return await self.approval(room + agent + text + delta)

    async def approval_allow(self, approval, did, act):
        self._note("approval_allow", did, act)
        return await self.approval(approval)

    async def approval_deny(self, approval, did, reason):
        self._note("approval_deny", did, reason)
        return await self.approval(approval)

    # --- rooms --------------------------------------------------------------------------------
    def rooms(self):
        return list(self.known_rooms.values())

    def room(self, room):
        for key, view in self.known_rooms.items():
            if room in {key, view.name} or (len(room) >= PREFIX_MIN and key.startswith(room)):
                return view
        raise NotFound(f"there is no room {room[:80]!r}")

    async def room_create(self, name):
        key = hex_id("room", name, len(self.known_rooms))
        me = MemberView(id=hex_id("member", key), node=NODE, node_name="fake", participant="", participant_name="")
        self.known_rooms[key] = RoomView(
            room=key, name=name, host=NODE, host_name="fake", is_host=True, members=[me], left=False
        )
        return self.known_rooms[key]

    async def room_role(self, room, who, role, title=""):
        view = self.room(room)
        roles = {"role": role, "role_name": title or who}
        return self._members(view, [msgspec.structs.replace(member, **roles) for member in view.members])

    async def room_share(self, room, peer, role=None):
        view, other = self.room(room), self.peer(peer)
        member = MemberView(
            id=hex_id(view.room, other.node),
            node=other.node,
            node_name=other.name,
            participant="",
            participant_name="",
            role=role or 400,
        )
        return self._members(view, [*view.members, member])

    async def room_unshare(self, room, peer):
        view, other = self.room(room), self.peer(peer)
        return self._members(view, [member for member in view.members if member.node != other.node])

    def _members(self, view, members):
        self.known_rooms[view.room] = msgspec.structs.replace(view, members=members)
        return self.known_rooms[view.room]

    async def room_leave(self, room):
        view = self.room(room)
        self.known_rooms[view.room] = msgspec.structs.replace(view, left=True)
        return self.known_rooms[view.room]

    async def room_direct(self, participant, author):
        return await self.room_create(f"{author} and {participant}"[:128])

    # --- messages and events ----------------------------------------------------------------
    async def say(self, room, message):
        self._note("say", room, message)
        return await self._place(f"room:{self.room(room).room}", message.text, message.as_ or NODE)

    async def say_batch(self, room, messages):
        self._note("say_batch", room, len(messages))
        return [await self.say(room, message) for message in messages]

    async def say_signed(self, room, act):
        self._note("say_signed", room, act)
        return await self._place(f"room:{self.room(room).room}", "(signed)", "did:key:zSigned")

    async def say_signed_batch(self, room, acts):
        self._note("say_signed_batch", room, len(acts))
        return [await self.say_signed(room, act) for act in acts]

    async def _place(self, stream, text, author):
        seq = len(self.log) + 1
        event = an_event(seq, stream, text, author)
        async with self._news:
            self.log.append(event)
            self._news.notify_all()
        return Placed(id=event.id, stream=stream, seq=seq, hlc=event.hlc)

    def messages(self, room, *, after="", limit=50, before=""):  # noqa: ARG002  # NodeService
        stream = f"room:{self.room(room).room}"
        found = [event.message for event in self.log[self._position(after) :] if event.stream == stream]
        page = found[:limit] if after else found[-limit:]
        return MessagesPage(messages=page, cursor=page[-1].cursor if page else after)

    def events(self, *, after="", limit=100, stream=""):
        found = [event for event in self.log[self._position(after) :] if stream in {"", event.stream}][:limit]
        return EventsPage(events=found, cursor=found[-1].cursor if found else after)

    def event(self, event):
        found = next((view for view in self.log if view.id == event), None)
        if found is None:
            raise NotFound("no such event", code="unknown_event")
        return found

    async def erase(self, event, reason):
        self._note("erase", event, reason)
        return await self._place(self.event(event).stream, "(erase)", NODE)

    async def erase_signed(self, event, act):
        self._note("erase_signed", event, act)
        return await self._place(self.event(event).stream, "(erase)", "did:key:zSigned")

    async def retention_run(self, days, room):
        self._note("retention_run", days, room)
        return PruningView(chains=0, events=0)

    async def retention_skip(self, room):
        self._note("retention_skip", room)
        self.room(room)
        return PruningView(chains=0, events=0)

    async def follow(self, *, after=None, stream=""):
        position = len(self.log) if after is None else self._position(after)
        self.followers += 1
        try:
            while True:
                while position < len(self.log):
                    position += 1
                    if stream in {"", self.log[position - 1].stream}:
                        yield self.log[position - 1]
                async with self._news:
                    if position == len(self.log):
                        await self._news.wait()
        finally:
            self.followers -= 1

    def _position(self, cursor):
        if not cursor:
            return 0
        store, _, number = cursor.partition(".")
        if store != STORE or not number.isdecimal() or not number.isascii():
            raise UsageError("this cursor is of another store", code="cursor_gone", http_status=410)
        return min(int(number[:9]), len(self.log))
