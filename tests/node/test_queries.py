"""Questions between real nodes: who answers, who may ask, and that nobody is waited for."""

import asyncio

import pytest

from foedus.node.query_values import Asked
from tests.node.nodes import connect, share, street


def texts(answers):
    return [found.body["text"] for found in answers.results]


def outcomes(answers):
    return {report.node_name: report.outcome for report in answers.nodes}


async def ask(running, text="", **how):
    return await running.service.answers(Asked(kind="text", text=text, **how))


@pytest.fixture
async def two(tmp_path):
    async with street(tmp_path) as it:
        a, b = await it.add("a"), await it.add("b")
        await connect(a, b)
        await share(b, a)
        yield it, a, b


async def test_a_direct_question_finds_what_a_peer_may_show(two):
    _, a, b = two
    await b.service.room_create("private")
    await b.say("the harbour opens at nine")
    await b.say("the harbour is closed", room="private")
    answers = await ask(a, "harbour opens")
    assert texts(answers) == ["the harbour opens at nine"]
    assert outcomes(answers) == {"a": "answered", "b": "answered"}
    assert {source.node_name for source in answers.results[0].sources} <= {"a", "b"}
