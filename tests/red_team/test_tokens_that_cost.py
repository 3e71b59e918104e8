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
        looked, holder = [], Tokens._holder
        monkeypatch.setattr(Tokens, "_holder", lambda self, *args: looked.append(self) or holder(self, *args))
        body = {"device": eve.key.public, "cuts": []}
        act = eve.sign(Draft(eve.did, f"participant:{eve.did}", "device.revoke", body, (eve.enrolment,), ()))
        await b.service.participant_act(eve.did, act)

        def is_revoked():
            who = a.node.store.admission.authority.participants.get((b.node.store.node, eve.did))
            return who is not None and who.devices[eve.key.public].cuts is not None

        await until(is_revoked, "a knows")
        assert a.node.access.tokens not in looked
