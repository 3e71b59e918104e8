"""An agent's question without a grant: a human sees it, and allows it alone or from now on."""

import pytest

from foedus.base.errors import FoedusError
from foedus.node.query_forms import Asked
from tests.node.nodes import connect, street, until
from tests.node.people import agent, enrol
from tests.node.questions import ask, outcomes, remember, texts


@pytest.fixture
async def border(tmp_path):
    """Node a has the human ada and an agent without a grant; b knows two things."""
    async with street(tmp_path) as it:
        a, b = await it.add("a"), await it.add("b")
        ada, scout = await enrol(a, "ada"), await agent(a, "scout")
        await connect(a, b)
        remember(b, "the lamp is red", "the boat is blue")
        yield it, a, ada, scout


async def refused(running, text, who):
    with pytest.raises(FoedusError) as error:
        await ask(running, text, as_=who)
    return error.value.code, error.value.http_status


def propose(running, text, who):
    return running.service.query_propose(Asked(kind="text", text=text, as_=who))


async def test_what_a_human_allowed_is_asked_and_nothing_else(border):
    _it, a, ada, scout = border
    assert await refused(a, "lamp", scout) == ("grant.human_required", 403)
    waiting = await propose(a, "lamp", scout)
    assert (waiting.state, waiting.kind, waiting.text, waiting.room) == ("waiting", "query.text", "lamp", "")
    assert (waiting.command, waiting.host_name) == ("/foedus/query/ask", "b")
    assert (await propose(a, "lamp", scout)).id == waiting.id, "nobody is asked twice"
    assert (await ada.allow(waiting.id)).state == "allowed"
    answers = await ask(a, "lamp", as_=scout)
    assert texts(answers) == ["the lamp is red"]
    assert outcomes(answers)["b"] == "answered"
    assert a.service.approvals()[0].state == "done"
    assert (await refused(a, "boat", scout))[1] == 403, "another question is not allowed by that"


async def test_a_question_that_waits_is_there_after_a_restart_and_may_be_denied(border):
    it, a, ada, scout = border
    waiting = await propose(a, "lamp", scout)
    again = await it.restart("a")
    await until(lambda: again.is_linked(it.running["b"]), "b may be asked again")
    assert [view.id for view in again.service.approvals()] == [waiting.id]
    await again.service.approval_deny(waiting.id, ada.did, "not now")
    assert (await again.service.approval(waiting.id)).state == "denied"
    assert (await refused(again, "lamp", scout))[1] == 403


async def test_where_a_grant_carries_it_nobody_is_asked(border):
    _it, a, ada, scout = border
    waiting = await propose(a, "lamp", scout)
    await ada.allow(waiting.id)
    with pytest.raises(FoedusError) as error:
        await propose(a, "lamp", scout)
    assert (error.value.code, error.value.http_status) == ("no_approval_needed", 409)
