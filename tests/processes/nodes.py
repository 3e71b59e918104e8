"""Real node processes for tests: made, connected, spoken through, read from disk, and always ended."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from foedus.adapters.sqlite_read import LogReader
from foedus.base.ids import parse_id
from foedus.base.limits import HTTP_PAGE_MAX
from foedus.crypto.ed25519 import SEED_BYTES, Ed25519Key
from foedus.identity.did import did_of
from foedus.node import offline
from foedus.node.home import Home, create_home
from foedus.surfaces.cli.client import path_of
from foedus.surfaces.cli.delegating import Scope
from foedus.surfaces.cli.devices import sign
from foedus.surfaces.cli.participants import enrolment_draft
from foedus.surfaces.cli.persons import Person
from foedus.surfaces.demo.processes import NodeProcess, eventually
from foedus.trust.border import SPEAK
from foedus.values.node import IdentityView, ParticipantView, PeerView, Placed, StatusView
from foedus.values.rooms import RoomView

PATIENCE_S = 60.0
"""Two cores run two test workers and their nodes."""


@contextmanager
def node_processes(folder: Path, *names: str, kind: type[NodeProcess] = NodeProcess) -> Iterator[list[NodeProcess]]:
    """Make a node of each name in ``folder`` and start them all; end them, whatever happens."""
    nodes = []
    for name in names:
        home = Home(folder / name)
        create_home(home, name)
        nodes.append(kind(name, home))
        nodes[-1].patience_s = PATIENCE_S
    try:
        for node in nodes:
            node.launch()
        for node in nodes:
            node.wait_ready()
        yield nodes
    finally:
        for node in nodes:
            node.end()
            if complaint := node.complaint():
                print(f"--- {node.name} on stderr:\n{complaint}")  # noqa: T201  # pytest shows it where the test fails


def node_id(node: NodeProcess) -> str:
    """Return the whole id of a running node."""
    return node.client.get("/identity", IdentityView).node


def status(node: NodeProcess) -> StatusView:
    """Return how a running node does."""
    return node.client.get("/status", StatusView)


def connect(one: NodeProcess, other: NodeProcess, tier: str = "CORE", url: str = "") -> None:
    """Let ``one`` ask (at ``url``, or where it listens) and ``other`` accept, and wait for the link on both sides."""
    asking, asked = node_id(one), node_id(other)
    one.client.post("/peers/request", PeerView, {"url": url or other.url, "expect": asked})
    eventually("the request arrives", partial(_waits, other, asking), PATIENCE_S)
    other.client.post(path_of("peers", asking, "accept"), PeerView, {"tier": tier})
    eventually("the link is up", lambda: is_linked(one, asked) and is_linked(other, asking), PATIENCE_S)


def _waits(node: NodeProcess, wanted: str) -> bool:
    return any(peer.node == wanted for peer in node.client.get("/peers/pending", list[PeerView]))


def is_linked(node: NodeProcess, peer: str) -> bool:
    """Whether there is a link on which events flow."""
    view = node.client.get(path_of("peers", peer), PeerView)
    return view.state == "connected" and view.link == "link"


def add_agent(node: NodeProcess, name: str) -> ParticipantView:
    """Make an agent whose key the node keeps; it speaks at other nodes when a human has allowed it."""
    return node.client.post("/participants", ParticipantView, {"name": name})


def trusted_agent(node: NodeProcess, name: str) -> ParticipantView:
    """Make a human, and an agent that may speak anywhere in the human's name.

    Do so before connecting: the agreement then names the human.
    """
    agent, key = add_agent(node, name), Ed25519Key(os.urandom(SEED_BYTES))
    did, own = did_of(key.public), parse_id(node_id(node))
    enrolment = sign(node.client, key, enrolment_draft(key, own, "human", f"{name}'s human"))
    placed = node.client.post(path_of("participants", did, "acts"), Placed, enrolment)
    Person(did, key, parse_id(placed.id)).give(node.client, agent.did, Scope(SPEAK))
    return agent


def shared_room(host: NodeProcess, *guests: NodeProcess, name: str = "room") -> str:
    """Make a room at ``host``, share it, and wait until every guest is in it; return its id."""
    room = host.client.post("/rooms", RoomView, {"name": name}).room
    for guest in guests:
        host.client.post(path_of("rooms", room, "share"), RoomView, {"peer": node_id(guest)})
        eventually(f"{guest.name} is in the room", partial(_is_in, guest, room), PATIENCE_S)
    return room


def _is_in(node: NodeProcess, room: str) -> bool:
    own = node_id(node)
    rooms = node.client.get("/rooms", list[RoomView])
    return any(held.room == room and own in {member.node for member in held.members} for held in rooms)


def say(node: NodeProcess, room: str, agent: str, *texts: str) -> list[str]:
    """Let an agent say something, in one batch; return the ids, which are durable."""
    said = [{"text": text, "as": agent} for text in texts]
    placed = node.client.post(path_of("rooms", room, "messages:batch"), list[Placed], said)
    return [each.id for each in placed]


def ids_on_disk(node: NodeProcess) -> set[str]:
    """Return the ids of all events in the log of a node, whether it runs or not."""
    log = LogReader(node.home.database)
    try:
        found, local = set(), 0
        while rows := log.since(local, HTTP_PAGE_MAX, ""):
            found |= {row.id.hex() for row in rows}
            local = rows[-1].local
        return found
    finally:
        log.close()


def assert_verifies(node: NodeProcess) -> None:
    """Check the whole log of a node from disk."""
    report = offline.verify(node.home)
    assert report.ok, report.problems
