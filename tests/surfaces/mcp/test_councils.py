"""The official client looks at a council and proposes to it, over both transports, as an agent whom a person lets."""

import pytest
from msgspec.structs import replace

from foedus.base.errors import FoedusError
from foedus.sdk import Client
from foedus.surfaces.cli.delegating import Scope
from foedus.surfaces.mcp.tools import councils
from foedus.trust.border import PROPOSE
from tests.node.councils import all_hold, connected, found
from tests.node.test_council_rights import signed
from tests.surfaces.mcp.clients import Called, custodial, over_http, over_stdio


async def test_an_agent_sees_councils_and_proposes_in_its_own_name_alone(tmp_path):
    async with connected(tmp_path, people=["ada"]) as (it, nodes):
        alice, ada = nodes[0], it.people["ada"]
        did, token = await custodial(alice)
        council = await found(nodes)
        async with over_http(alice, token) as client:
            call = Called(client)
            await looks(call, nodes, council)
            assert "waits_for_human" in await call.refused("propose_to_council", council="board", key="k", value="v")
            await ada.give(did, Scope(PROPOSE))
            made = await call("propose_to_council", council="board", key="k", value="v")
            assert made["outcome"] == "done"
            assert call.names == {it.name for it in councils.TOOLS}
        async with over_stdio(alice, token) as client:
            call = Called(client)
            await looks(call, nodes, council)
            unequal = await call("propose_to_council", council="board", key="k", value="w", expect="x")
            assert unequal["outcome"] == "unequal"
            assert "v" in unequal["told"]["foreign_content"]
            assert call.names == {it.name for it in councils.TOOLS}
        await all_hold(nodes, council, "k", b"v")
        update = alice.node.councils.made(council, made["place"] - 1, 1)[0].batch.updates[made["position"]]
        assert update.author == did
        await by_tokens(alice, token, council, ada)


async def looks(call, nodes, council):
    (shown,) = (await call("list_councils"))["councils"]
    assert (shown["council"], shown["bears"], shown["quorum"]) == (council.hex(), 1, 3)
    assert (await call("show_council", council="board"))["members"] == shown["members"]
    assert {member["node"] for member in shown["members"]} == {node.id for node in nodes}


async def by_tokens(alice, token, council, ada):
    """A participant's token proposes for itself alone; the operator brings what people's devices signed."""
    other, _ = await custodial(alice, "other")
    hers = signed(ada, alice, council, "k", b"w")
    async with Client(alice.url, token) as client:
        assert await refused(client.councils.put("board", "k", b"v", as_=other)) == "not_yourself"
        assert await refused(client.councils.submit("board", [hers.encoded])) == "not_yourself"
        assert await refused(client.councils.create("mine", [])) == "operator_only"
    async with Client(alice.url, alice.node.home.token()) as client:
        forged = replace(hers, nonce=bytes(16))
        assert await refused(client.councils.submit("board", [forged.encoded])) == "invalid_signature"
        made = await client.councils.submit("board", [hers.encoded, hers.encoded])
        assert [it.outcome for it in made] == ["done", "done"]


async def refused(asking):
    """Return the code with which the node refuses."""
    with pytest.raises(FoedusError) as error:
        await asking
    return error.value.code
