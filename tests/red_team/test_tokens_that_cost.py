"""Tokens: what others publish makes a node look through them no more than it must."""

from foedus.node.tokens import Tokens
from tests.node.nodes import connect, share, street, until
from tests.node.people import Draft, agent, enrol


async def test_a_revocation_at_another_node_looks_through_no_tokens(tmp_path, monkeypatch):
    async with street(tmp_path) as it:
        a, b = await it.add("a"), await it.add("b")
        await connect(a, b)
        await share(a, b)
        eve = await enrol(b, "eve")
        await a.service.token_issue((await agent(a, "scout")), "")
        looked, kinds, holder = [], [], Tokens._holder
        a.node.publisher.bookkeepers.append(lambda published: kinds.extend(published.kinds))  # after the tokens
        monkeypatch.setattr(Tokens, "_holder", lambda self, *args: looked.append(self) or holder(self, *args))
        body = {"device": eve.key.public, "cuts": []}
        act = eve.sign(Draft(eve.did, f"participant:{eve.did}", "device.revoke", body, (eve.enrolment,), ()))
        await b.service.participant_act(eve.did, act)

        await until(lambda: "device.revoke" in kinds, "a took note")
        assert a.node.access.tokens not in looked
