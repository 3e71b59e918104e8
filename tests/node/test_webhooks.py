"""Agents behind a webhook: signed, brought again with the same id until they have it, and bounded."""

import asyncio
import logging

import pytest

from foedus.base.errors import UsageError
from foedus.node import webhook_delivery
from foedus.node.call_forms import WebhookForm, WorkResult
from foedus.trust.standing import Standing
from tests.node.callees import calling, form, offer, take
from tests.node.nodes import connect, street, until
from tests.node.people import agent
from tests.node.webhook_receiver import receiver, say


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(webhook_delivery, "PAUSE_S", 0.01)


@pytest.fixture
async def two(tmp_path):
    """Two nodes, an agent of the second, its capability, and what is behind its webhook."""
    async with street(tmp_path) as it:
        a, b = await it.add("a"), await it.add("b")
        callee = await agent(b, "callee")
        await connect(a, b)
        b.node.crossings.standing_of = lambda _node, _did: Standing.ELEVATED
        capability = await offer(b, callee)
        async with receiver(b) as hook:
            await b.service.webhook_register(WebhookForm(agent="callee", url=hook.url))
            yield it, a, b, callee, capability, hook


async def ended(a, capability, **fields):
    return await a.service.call(form(capability, **fields))


async def test_a_call_is_brought_signed_and_answered(two):
    _, a, b, callee, capability, hook = two
    view = await ended(a, capability)
    assert (view.outcome, view.output, hook.forged) == ("result", {"said": "hello"}, 0)
    (call,) = hook.calls
    assert (call.call, call.attempt, call.node, call.name) == (view.call, 1, a.id, "echo")
    assert hook.headers[0]["Idempotency-Key"] == view.call
    (shown,) = b.service.webhooks()
    assert (shown.agent, shown.last, shown.by_operator) == (callee, "200", True)
    assert await take(b, callee, wait_ms=0) is None


async def test_an_agent_that_needs_longer_says_so_and_brings_the_result(two):
    _, a, b, callee, capability, hook = two
    hook.answers = [say(202)]
    made = calling(a, capability)
    await until(lambda: hook.calls, "it is brought")
    await b.service.call_progress(callee, hook.calls[0].call, 1)
    await b.service.call_finish(callee, hook.calls[0].call, WorkResult(output={"said": "later"}))
    assert (await made).output == {"said": "later"}
    assert len(hook.calls) == 1


@pytest.mark.parametrize("first", [say(503), say(429), "drop"], ids=["error", "too many", "dropped"])
async def test_what_was_not_answered_is_brought_again_with_the_same_id(two, first):
    _, a, _, _, capability, hook = two
    hook.answers = [first, first, say()]
    assert (await ended(a, capability)).outcome == "result"
    assert [call.attempt for call in hook.calls] == [1, 2, 3]
    assert len({call.call for call in hook.calls}) == 1


async def test_a_receiver_that_has_it_already_is_not_asked_again(two):
    _, a, b, callee, capability, hook = two
    hook.answers = ["drop", say(409)]
    made = calling(a, capability)
    await until(lambda: len(hook.calls) == 2, "it is brought twice")
    await until(lambda: not b.node.calls.webhooks._tasks, "it is not brought again")
    await b.service.call_finish(callee, hook.calls[0].call, WorkResult(output={"said": "once"}))
    assert (await made).output == {"said": "once"}
    assert len(hook.calls) == 2


async def test_a_refusal_ends_the_call_and_an_unanswered_one_before_makes_it_unknown(two):
    _, a, _, _, capability, hook = two
    hook.answers = [say(404)]
    view = await ended(a, capability)
    assert (view.outcome, view.code) == ("error", "webhook_refused")
    hook.answers = ["drop", say(404)]
    view = await ended(a, capability)
    assert (view.outcome, view.code) == ("outcome_unknown", "webhook_refused")


async def test_a_redirect_is_not_followed(two):
    _, a, b, _, capability, hook = two
    hook.answers = [say(307, Location=hook.url), say()]
    view = await ended(a, capability)
    assert (view.outcome, len(hook.calls)) == ("error", 1)
    assert b.node.calls.webhooks.outcomes == {"307": 1}


BAD_ANSWERS = [
    "not json",
    "{}",
    "[]",
    '{"output": {"said": 5}}',
    '{"output": NaN}',
    '{"output": 1, "code": "x"}',
    '{"code": "Bad Code"}',
    '{"output": {"said": "' + "x" * 70_000 + '"}}',
    '{"output": ' + "[" * 40 + "]" * 40 + "}",
    '{"output": {"said": "a", "said": "b"}}',
]


async def test_an_answer_that_is_no_result_is_an_error_of_the_call(two):
    _, a, _, _, capability, hook = two
    for text in BAD_ANSWERS:
        hook.answers = [say(200, text)]
        view = await ended(a, capability)
        assert (view.outcome, view.code) == ("error", "bad_output"), text
    assert len(hook.calls) == len(BAD_ANSWERS)


async def test_an_endless_answer_is_cut(two):
    _, a, _, _, capability, hook = two
    hook.answers = [say(200, "x" * 1_000_000), say()]
    assert (await ended(a, capability)).outcome == "result"
    assert len(hook.calls) == 2


async def test_an_error_of_the_agent_is_told(two):
    _, a, _, _, capability, hook = two
    hook.answers = [say(200, '{"code": "no_paper", "message": "it is out"}')]
    view = await ended(a, capability)
    assert (view.outcome, view.code, view.output["message"]) == ("error", "no_paper", "it is out")


async def test_where_nobody_listens_nothing_was_done_and_a_restart_brings_it_again(two):
    it, a, b, callee, capability, hook = two
    await b.service.webhook_register(WebhookForm(agent="callee", url="http://127.0.0.1:9/calls"))
    view = await ended(a, capability, wait_ms=300)
    assert (view.outcome, view.began) == ("not_run", 0)
    made = calling(a, capability, wait_ms=20_000)
    await until(lambda: b.node.calls.webhooks.outcomes["webhook_unreachable"] > 3, "it is tried")
    await b.service.webhook_register(WebhookForm(agent=callee, url="http://127.0.0.1:9/other"))
    b = await it.restart("b")
    b.node.crossings.standing_of = lambda _node, _did: Standing.ELEVATED
    await b.service.webhook_register(WebhookForm(agent=callee, url=hook.url))
    assert (await made).outcome == "result"
    assert len(hook.calls) == 1


async def test_what_a_receiver_had_when_its_node_stopped_is_not_brought_again(two):
    it, a, _, _, capability, hook = two
    hook.answers = [say(202)]
    made = calling(a, capability)
    await until(lambda: hook.calls, "it is brought")
    await it.restart("b")
    assert ((view := await made).outcome, view.code) == ("outcome_unknown", "restarted")
    assert len(hook.calls) == 1


async def test_a_cancelled_call_ends_the_request(two):
    _, a, _, _, capability, hook = two
    hook.answers = ["hang"]
    made = calling(a, capability)
    await until(lambda: hook.calls, "it is brought")
    a.service.call_cancel(hook.calls[0].call)
    assert ((view := await made).outcome, view.began > 0) == ("cancelled", True)
    await until(lambda: hook.gone == 1, "the receiver sees that nobody waits")


async def test_a_slow_receiver_has_a_bounded_number_at_a_time(two):
    _, a, b, callee, capability, hook = two
    hook.answers = ["hang"]
    made = [calling(a, capability, wait_ms=60_000) for _ in range(20)]
    await until(lambda: b.node.calls.life.under_way == 20, "they are there")
    await until(lambda: len(hook.calls) == 8, "eight are brought")
    assert b.node.calls.webhooks._slots[callee].locked()
    for task in made:
        task.cancel()
    await asyncio.gather(*made, return_exceptions=True)


async def test_an_agent_whose_webhook_is_removed_asks_for_its_work(two):
    _, a, b, callee, capability, hook = two
    hook.answers = [say(503)]
    await b.service.webhook_register(WebhookForm(agent="callee", url="http://127.0.0.1:9/calls"))
    made = calling(a, capability)
    await until(lambda: b.node.calls.webhooks.outcomes["webhook_unreachable"], "it is tried")
    await b.service.webhook_remove("callee")
    work = await take(b, callee)
    await b.service.call_finish(callee, work.call, WorkResult(output={"said": "by hand"}))
    assert (await made).output == {"said": "by hand"}
    assert b.service.webhooks() == []


async def test_the_url_is_not_logged(two, caplog):
    _, a, b, _, capability, hook = two
    caplog.set_level(logging.DEBUG)
    hook.answers = ["drop", say()]
    await ended(a, capability)
    assert "5up3r" not in caplog.text
    assert "5up3r" not in repr(list(b.node.calls.webhooks.book))


async def test_an_agents_own_token_sends_to_this_machine_only_and_the_policy_narrows_it(two):
    _, a, b, callee, capability, hook = two
    own = {"agent": callee, "by_operator": False}
    await b.service.webhook_register(WebhookForm(url=hook.url, **own))
    assert (await ended(a, capability)).outcome == "result"
    for url in ("http://10.0.0.1/x", "https://8.8.8.8/x", "http://169.254.169.254/latest"):
        with pytest.raises(UsageError) as error:
            await b.service.webhook_register(WebhookForm(url=url, **own))
        assert error.value.code == "webhook_forbidden"
    (b.node.home.path / "foedus.toml").write_text('[webhooks]\nagents = "nowhere"\n')
    assert b.node.policy.reload()
    view = await ended(a, capability, wait_ms=1_500)
    assert (view.outcome, view.began, len(hook.calls)) == ("not_run", 0, 1)
    assert b.node.calls.webhooks.outcomes["webhook_forbidden"]


async def test_a_name_is_judged_by_what_it_stands_for_when_it_is_used(two, monkeypatch):
    _, a, b, callee, capability, _ = two
    await b.service.webhook_register(WebhookForm(agent=callee, url="https://bots.example/x", by_operator=False))

    async def rebound(*_, **__):
        return [(2, 1, 6, "", ("169.254.169.254", 443)), (2, 1, 6, "", ("10.0.0.1", 443))]

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", rebound)
    view = await ended(a, capability, wait_ms=300)
    assert (view.outcome, view.began) == ("not_run", 0)
