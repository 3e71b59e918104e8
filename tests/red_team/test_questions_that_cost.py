"""Questions and answers that are made to cost: the loop goes on beside them, and sums of what peers say stay sums."""

import asyncio

import aiohttp

from foedus.base.errors import Unavailable
from foedus.node import log_substrate, query_asking
from foedus.node.query_forms import Asked
from foedus.query.desk import Desk
from foedus.query.inquiry import Finish, Report
from foedus.surfaces.http.streams import Streams
from foedus.sync.frames.codec import decode_frame, encode_frame
from foedus.sync.frames.questions import Answered, QueryReport
from tests.node.nodes import share, street
from tests.node.test_query_api import post
from tests.query.test_desk import OWN, B, C, Q, opening


def test_nodes_that_peers_count_without_end_still_fit_a_report():
    desk = Desk(OWN)
    desk.open(opening(carrier=b"d" * 32), 0)
    desk.over(Q, B, [Report(None, "silent", "", (1 << 53) - 1)])
    desk.over(Q, C, [Report(None, "silent", "", (1 << 53) - 1)])
    (finish,) = desk.found(Q, [], Report(OWN, "answered"))
    assert isinstance(finish, Finish)
    frame = Answered(Q, tuple(QueryReport(*report) for report in finish.reports))
    assert decode_frame(encode_frame(frame)) == frame


async def turns_beside(work):
    """Return how often others got the loop while something ran."""
    task, turns = asyncio.ensure_future(work), 0
    while not task.done():
        turns += 1
        await asyncio.sleep(0)
    return turns, task.result()


async def test_who_asks_for_causes_does_not_hold_up_everybody(tmp_path, monkeypatch):
    monkeypatch.setattr(log_substrate, "_STEPS", 2)
    async with street(tmp_path) as it:
        a = await it.add("a")
        await share(a)
        for number in range(40):
            await a.say(f"word {number}")
        last = a.service.events(limit=1_000).events[-1].id
        turns, found = await turns_beside(
            a.service.answers(Asked(kind="causal", event=last, scope="local", results=200))
        )
        assert len(found.results) >= 40
        assert turns >= 20


async def test_a_flood_of_results_is_checked_beside_others(tmp_path, monkeypatch):
    monkeypatch.setattr(query_asking, "_CHECKED", 1)
    async with street(tmp_path) as it:
        a = await it.add("a")
        await share(a)
        for number in range(50):
            await a.say(f"lamp {number}")
        turns, found = await turns_beside(a.service.answers(Asked(kind="text", text="lamp", scope="local", results=50)))
        assert len(found.results) == 50
        assert turns >= 50


async def test_a_stream_of_answers_that_is_refused_gives_up_its_question(tmp_path, monkeypatch):
    async with street(tmp_path) as it:
        a = await it.add("a")

        def full(_self, _participant=""):
            raise Unavailable("no place", code="too_many_streams")

        monkeypatch.setattr(Streams, "counted", full)
        body = {"kind": "text", "text": "lamp", "scope": "local", "wait_ms": 60_000}
        ended = []
        give_up = a.node.queries.give_up
        monkeypatch.setattr(a.node.queries, "give_up", lambda query: ended.append(query) or give_up(query))
        async with (
            aiohttp.ClientSession() as session,
            post(session, a, body, accept="text/event-stream") as response,
        ):
            assert response.status == 503
        assert len(ended) == 1
        assert not a.node.queries._asking
