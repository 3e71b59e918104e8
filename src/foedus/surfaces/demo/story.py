"""The story: amber and cedar never connect; birch is between them and hosts the room in which they talk."""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

from foedus.node.home import Home, create_home
from foedus.surfaces.cli.client import path_of
from foedus.surfaces.cli.delegating import Scope
from foedus.surfaces.demo.calling import answered, called, offered, raised, refused, signed_by_both
from foedus.surfaces.demo.evidence import ThirdMachine, altered, at_once, audited, exported
from foedus.surfaces.demo.people import Person
from foedus.surfaces.demo.processes import Broken, NodeProcess, eventually
from foedus.trust.border import CALL, SPEAK
from foedus.values.consent import ApprovalView
from foedus.values.knowledge import PacketView
from foedus.values.node import IdentityView, ParticipantView, PeerView, Placed, StatusView, VerifyReport
from foedus.values.queries import AnswersView
from foedus.values.rooms import MessagesPage, MessageView, RoomView

_ROOM = "harbour"
_WHILE_AWAY = 200
_PAGE = 1_000
_POLICY = """[federation.policy]
rise_days = 0
rise_acts = 1
"""
"""Who acted once may rise a step, and not after thirty days: the story is short."""


class Story:
    """Three nodes in ``folder``, the people and agents at them, and what they did so far."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.amber, self.birch, self.cedar = (self._node(name) for name in ("amber", "birch", "cedar"))
        self.nodes = (self.amber, self.birch, self.cedar)
        self.ada = Person("ada", self.amber, folder / "device-of-ada", secrets.token_urlsafe(12))
        self.cleo = Person("cleo", self.cedar, folder / "device-of-cleo", secrets.token_urlsafe(12))
        self.room = ""
        self.crossed = ""
        """The event by which an agent of amber spoke at birch, once a human allowed it."""
        self.backup = folder / "backup-of-amber"

    def _node(self, name: str) -> NodeProcess:
        home = Home(self.folder / name)
        create_home(home, name)
        home.policy_path.write_text(_POLICY, encoding="utf-8")
        return NodeProcess(name, home)

    def end(self) -> None:
        """Kill what still runs."""
        for node in self.nodes:
            node.end()

    def complaints(self) -> list[str]:
        """Return what the nodes said on stderr."""
        return [f"--- {node.name}: {node.complaint()}" for node in self.nodes if node.complaint()]

    # --- what the steps use ------------------------------------------------------------------

    def say(self, node: NodeProcess, agent: str, *texts: str) -> list[Placed]:
        """Let an agent whose key the node keeps say something, in one batch."""
        said = [{"text": text, "as": agent} for text in texts]
        return node.client.post(path_of("rooms", self.room, "messages:batch"), list[Placed], said)

    def ask(self, node: NodeProcess, agent: str, text: str) -> str:
        """Let an agent say what nobody granted; return the approval that it waits for, or raise Broken."""
        body = {"text": text, "as": agent}
        placed = node.client.post(path_of("rooms", self.room, "messages"), Placed, body)
        if not placed.approval:
            raise Broken(f"{agent} spoke at another node without a human: event {placed.id}")
        return placed.approval

    def heard(self, node: NodeProcess) -> dict[str, MessageView]:
        """Return all messages that a node shows, by id."""
        found: dict[str, MessageView] = {}
        cursor = "0.0." + "0" * 64
        while True:
            query: dict[str, str | int] = {"after": cursor, "limit": _PAGE}
            page = node.client.get(path_of("rooms", self.room, "messages"), MessagesPage, query)
            found |= {message.id: message for message in page.messages}
            if len(page.messages) < _PAGE:
                return found
            cursor = page.cursor

    def all_hear(self, wanted: Sequence[str], nodes: Sequence[NodeProcess]) -> None:
        """Wait until each node shows these messages; raise Broken where one is not verified there."""
        for node in nodes:
            eventually(f"{node.name} shows {len(wanted)} messages", partial(self._shows, node, wanted))

    def _shows(self, node: NodeProcess, wanted: Sequence[str]) -> bool:
        heard = self.heard(node)
        if not heard.keys() >= set(wanted):
            return False
        messages = [heard[each] for each in wanted]
        if any(message.why_not == "auth" for message in messages):
            return False  # what it stands on is still on its way
        for message in messages:
            if not message.verified or not message.text:
                raise Broken(f"{node.name} does not verify {message.id}: {message.why_not}")
        return True

    def connect(self, one: NodeProcess, other: NodeProcess, note: str) -> None:
        """Let ``one`` ask, naming the whole id, and the human of ``other`` accept, having seen the whole id, too."""
        own = one.client.get("/identity", IdentityView)
        meant = other.client.get("/identity", IdentityView).node
        one.client.post("/peers/request", PeerView, {"url": other.url, "expect": meant, "note": note})
        asked = eventually(f"{other.name} sees the request", lambda: _pending(other, own.node))
        if asked.note != note or asked.name != own.name:
            raise Broken(f"{other.name} sees another request than {one.name} made")
        other.client.post(path_of("peers", own.node, "accept"), PeerView, {"tier": "CORE"})
        for node, name in ((one, other.name), (other, one.name)):
            eventually(f"{node.name} is connected to {name}", partial(_is_linked, node, name))


def _pending(node: NodeProcess, wanted: str) -> PeerView | None:
    return next((peer for peer in node.client.get("/peers/pending", list[PeerView]) if peer.node == wanted), None)


def _is_linked(node: NodeProcess, name: str) -> bool:
    peers = node.client.get("/peers", list[PeerView])
    return any(peer.name == name and peer.state == "connected" and peer.link == "link" for peer in peers)


# --- the steps -----------------------------------------------------------------------------------


def start(story: Story) -> str:
    """Start all three at once."""
    for node in story.nodes:
        node.launch()
    for node in story.nodes:
        node.wait_ready()
    return ", ".join(f"{node.name} at {node.url}" for node in story.nodes)


def connect(story: Story) -> str:
    """Ask, look, accept; twice."""
    story.connect(story.amber, story.birch, "amber would like to work with you")
    story.connect(story.cedar, story.birch, "so would cedar")
    if any(peer.name == "cedar" for peer in story.amber.client.get("/peers", list[PeerView])):
        raise Broken("amber and cedar were not to know each other")
    return "amber asked birch, cedar asked birch, birch's human accepted both; amber and cedar never met"


def participants(story: Story) -> str:
    """People's keys are on their devices, sealed; the agents' are with their nodes."""
    for node, name in ((story.amber, "scout"), (story.birch, "scribe"), (story.cedar, "pilot")):
        node.client.post("/participants", ParticipantView, {"name": name})
    for person in (story.ada, story.cleo):
        person.enrol()
    return "agents scout, scribe and pilot; humans ada and cleo, whose keys are sealed on their own devices"


def share(story: Story) -> str:
    """Make a room and let both in."""
    room = story.birch.client.post("/rooms", RoomView, {"name": _ROOM})
    story.room = room.room
    for name in ("amber", "cedar"):
        story.birch.client.post(path_of("rooms", room.room, "share"), RoomView, {"peer": name})
    for node in (story.amber, story.cedar):
        eventually(f"{node.name} is in the room", partial(_is_in, node, room.room))
    return f"birch hosts {_ROOM!r} and shared it with amber and with cedar"


def _is_in(node: NodeProcess, room: str) -> bool:
    rooms = node.client.get("/rooms", list[RoomView])
    own = node.client.get("/identity", IdentityView).node
    return any(held.room == room and own in {member.node for member in held.members} for held in rooms)


def consent(story: Story) -> str:
    """Let an agent speak at another node in a person's name: asked for, allowed, taken back, refused."""
    asked = story.ask(story.amber, "scout", "may I come in?")
    waiting = story.amber.client.get(path_of("approvals", asked), ApprovalView)
    if (waiting.state, waiting.text) != ("waiting", "may I come in?"):
        raise Broken(f"what scout asked for is {waiting.state}")
    story.crossed = story.ada.allow(waiting).event
    story.all_hear([story.crossed], story.nodes)
    granted = story.ada.grant("scout", story.room)
    said = story.say(story.amber, "scout", "thank you, ada")
    story.all_hear([said[0].id], story.nodes)
    story.ada.revoke(granted)
    again = story.ask(story.amber, "scout", "one thing more")
    story.amber.client.post(path_of("approvals", again, "deny"), ApprovalView, {"reason": "enough"})
    story.ada.grant("scout", story.room)
    story.cleo.grant("pilot", story.room)
    return "scout asked, ada allowed it, birch and cedar checked her signature; she revoked, and scout was held back"


def prove(story: Story) -> str:
    """Let a machine that has never met either node judge what both hold of the crossing, and check their audit logs."""
    third = ThirdMachine(story.folder / "third-machine")
    amber, birch = at_once(*(partial(exported, node, story.crossed) for node in (story.amber, story.birch)))
    proved, again, refused, *reports = at_once(
        partial(third.verify, amber, "from-amber.proof"),
        partial(third.verify, birch, "from-birch.proof"),
        partial(third.refusal, altered(amber), "altered.proof"),
        partial(audited, story.amber),
        partial(audited, story.birch),
    )
    birchs = story.birch.client.get("/identity", IdentityView).node
    for sentences in (proved, again):
        if not any(f"Node {birchs} signed" in sentence for sentence in sentences):
            raise Broken(f"the evidence lacks birch's receipt: {sentences}")
        if not any("in the name of" in sentence for sentence in sentences):
            raise Broken(f"the evidence names no human: {sentences}")
    rows = " and ".join(str(report["rows"]) for report in reports)
    told = f"a third machine, without a node, verified the files of both; an altered one fails ({refused})"
    return f"{told}; {rows} audit rows hold"


def talk(story: Story) -> str:
    """Everybody speaks; everybody hears and verifies everybody."""
    said = [
        story.ada.say(story.room, "ada here, at amber: who is at the harbour?"),
        story.cleo.say(story.room, "cleo, at cedar; we never met, birch carries this"),
        *story.say(story.cedar, "pilot", "the tide turns at six"),
        *story.say(story.amber, "scout", "noted: six"),
        *story.say(story.birch, "scribe", "all of it is in the log"),
    ]
    story.all_hear([placed.id for placed in said], story.nodes)
    cleo = story.heard(story.amber)[said[1].id]
    if (cleo.author_name, cleo.author_kind) != ("cleo", "human"):
        raise Broken(f"amber shows cleo as {cleo.author_name!r}, {cleo.author_kind}")
    return f"{len(said)} messages of two humans and three agents, each verified at all three nodes"


def know(story: Story) -> str:
    """Publish at one node; find it at a node that never met it, by its own index and by a question."""
    placed = story.ada.publish("harbour.depths", "Depth at the north quay", "Seven fathoms at low water.")
    if placed.kept_from:
        raise Broken(f"the packet does not count everywhere: {placed.kept_from}")
    found = eventually("cedar's own index has the packet", lambda: _found(story.cedar, placed.id))
    amber = story.amber.client.get("/identity", IdentityView).node
    if (found.who.node, found.who.author_name, found.who.author_kind) != (amber, "ada", "human"):
        raise Broken(f"cedar shows {found.who.author_name!r} of {found.who.node} as the author")
    asked = {"kind": "text", "text": "fathoms quay", "scope": "global", "hops": 2, "wait_ms": 3_000}
    answers = story.cedar.client.post("/queries", AnswersView, asked)
    sources = {source.node for merged in answers.results for source in merged.sources}
    if not {node.client.get("/identity", IdentityView).node for node in story.nodes} <= sources:
        raise Broken(f"a question to all found the packet only at {len(sources)} nodes: {answers.nodes}")
    return "ada's packet went from amber through birch to cedar, signed by her; a question found it at all three"


def _found(node: NodeProcess, packet: str) -> PacketView | None:
    found = node.client.get("/knowledge/search", list[PacketView], {"q": "fathoms quay"})
    return next((view for view in found if view.id == packet), None)


def call(story: Story) -> str:
    """Let an agent call what an agent of another node offers: not without a human, and with a receipt of both nodes."""
    offer = offered(story.birch, "scribe")
    code = refused(story.amber, "scout", offer)
    raised(story.birch, "scout")
    story.ada.give("scout", Scope(CALL, after_foreign=True))
    story.ada.give("scout", Scope(SPEAK, [story.room], after_foreign=True))  # it reads what birch answers
    view, _ = at_once(partial(called, story.amber, "scout", offer), partial(answered, story.birch, "scribe"))
    receipt = signed_by_both(view, story.birch, story.amber)
    return (
        f"scout called {offer.name!r} of scribe at birch: {code} alone, {view.output['turns']!r} in ada's name; "
        f"both nodes signed the receipt {receipt}"
    )


def back_up(story: Story) -> str:
    """Copy amber's folder while it is stopped; then its people go on."""
    story.amber.stop()
    shutil.copytree(story.amber.home.path, story.backup)
    story.amber.start()
    said = [
        story.ada.say(story.room, "the backup is made; this is not in it"),
        *story.say(story.amber, "scout", "nor this"),
    ]
    story.all_hear([placed.id for placed in said], story.nodes)
    return "amber was copied while stopped, came back, and said two things that the copy lacks"


def kill(story: Story) -> str:
    """Kill cedar in the middle of its work; nothing that it acknowledged is lost, nothing doubled."""
    promised = story.say(story.cedar, "pilot", *(f"promise {number}" for number in range(50)))
    story.cedar.kill()
    meanwhile = story.say(story.birch, "scribe", *(f"without cedar {number}" for number in range(_WHILE_AWAY)))
    meanwhile.append(story.ada.say(story.room, "cedar is gone; we go on"))
    story.all_hear([placed.id for placed in meanwhile], (story.amber, story.birch))
    story.cedar.start()
    story.all_hear([placed.id for placed in (*promised, *meanwhile)], story.nodes)
    return f"cedar was killed after 50 messages, missed {len(meanwhile)}, came back and lacks none"


def restore(story: Story) -> str:
    """Put the old copy over amber: it meets its own future at birch, fetches it, and opens an epoch."""
    before = {message.id for message in story.heard(story.amber).values()}
    story.amber.stop()
    shutil.rmtree(story.amber.home.path)
    shutil.copytree(story.backup, story.amber.home.path)
    story.amber.start()
    epoch = eventually("amber opens an epoch and writes again", lambda: _healed(story.amber))
    said = story.ada.say(story.room, "back from last week's backup, with nothing lost")
    story.all_hear([*before, said.id], story.nodes)
    for node in story.nodes:
        status = node.client.get("/status", StatusView)
        if status.contested_chains:
            raise Broken(f"{node.name} convicts somebody: {status.troubles}")
    return f"amber noticed, fetched what it had lost, opened epoch {epoch}; nobody is convicted"


def _healed(node: NodeProcess) -> int:
    status = node.client.get("/status", StatusView)
    return status.identity.epoch_number if status.authoring else 0


def verify(story: Story) -> str:
    """Every id, digest, signature and chain, from disk; and the same messages everywhere."""
    counted = []
    for node in story.nodes:
        report = node.client.post("/verify", VerifyReport)
        if not report.ok:
            raise Broken(f"{node.name}: {report.problems}")
        counted.append(f"{node.name} {report.events} events, {report.signatures} signatures")
    heard = [story.heard(node).keys() for node in story.nodes]
    if not heard[0] == heard[1] == heard[2]:
        raise Broken(f"the nodes hold {[len(each) for each in heard]} messages")
    return f"{'; '.join(counted)}; all three show the same {len(heard[0])} messages"


STEPS: Mapping[str, Callable[[Story], str]] = {
    "three nodes start": start,
    "people and agents join": participants,
    "they connect": connect,
    "a shared room": share,
    "an agent asks": consent,
    "the evidence": prove,
    "they talk": talk,
    "they share knowledge": know,
    "one calls another": call,
    "a backup": back_up,
    "kill -9": kill,
    "restore": restore,
    "log verify": verify,
}
