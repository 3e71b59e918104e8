"""What a type checker makes of both clients: ``test_typed.py`` runs mypy over it."""

from collections.abc import AsyncIterator, Iterator
from typing import assert_type

from foedus.sdk import Client, FederatedMesh, FederatedResult, FederationToken, PeerAddress, PlainClient, Publish
from foedus.values.councils import CouncilEntryView
from foedus.values.knowledge import KnowledgePlaced
from foedus.values.node import IdentityView, Placed
from foedus.values.rooms import EventView, RoomView


async def awaited(node: Client) -> None:
    assert_type(await node.node.identity(), IdentityView)
    assert_type(await node.rooms.all(), list[RoomView])
    assert_type(await node.rooms.say("plans", "salve", wait_s=1), Placed)
    assert_type(await node.names.take("id"), None)
    assert_type(await node.knowledge.tell(Publish(domain="d", title="t")), KnowledgePlaced)
    assert_type(node.events.follow(), AsyncIterator[EventView])
    assert_type(node.councils.follow("board"), AsyncIterator[CouncilEntryView])
    assert_type(await FederatedMesh(node).federated_query("boats"), list[FederatedResult])
    node.rooms.show(1)  # type: ignore[arg-type, unused-coroutine]
    node.rooms.show("plans", peer="elm")  # type: ignore[call-arg, unused-coroutine]


def plain(node: PlainClient) -> None:
    assert_type(node.node.identity(), IdentityView)
    assert_type(node.rooms.say("plans", "salve"), Placed)
    assert_type(node.names.take("id"), None)
    assert_type(node.events.follow(after="c"), Iterator[EventView])
    assert_type(FederatedMesh(node).join_federation(PeerAddress("elm", 8102, "key")), FederationToken)
    node.rooms.show(1)  # type: ignore[arg-type]
