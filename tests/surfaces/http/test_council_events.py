"""What a council makes, as a stream."""

import asyncio

import msgspec

from foedus.values.councils import CouncilEntryView
from tests.surfaces.http.fake_councils import ENTRY

STREAM = {"Accept": "text/event-stream"}
PATH = "/api/v1/councils/board/events"


async def first(response):
    """Return the id and the entry of the first event."""
    async with asyncio.timeout(30):
        while True:
            block = (await response.content.readuntil(b"\n\n")).decode()
            fields = dict(line.split(": ", 1) for line in block.strip().split("\n") if ": " in line)
            if "data" in fields:
                return fields["id"], msgspec.json.decode(fields["data"], type=CouncilEntryView)


async def test_updates_come_after_a_place_or_a_position(served):
    for after in ("", "0", "1.", "x", "1.0", "1"):
        async with served.client.get(PATH, params={"after": after}, headers=STREAM) as response:
            if after in {"", "0"}:
                assert response.content_type == "text/event-stream"
                assert await first(response) == ("1.0", ENTRY)
            else:
                assert response.status == (400 if after in {"1.", "x"} else 200), after


async def test_the_last_event_id_is_newer_than_the_url(served):
    async with served.client.get(f"{PATH}?after=7", headers={**STREAM, "Last-Event-ID": "0"}) as response:
        assert await first(response) == ("1.0", ENTRY)


async def test_it_is_a_stream_alone_of_a_council_that_there_is(served):
    async with served.client.get(PATH) as response:
        assert (response.status, (await response.json())["code"]) == (400, "malformed_request")
    async with served.client.get("/api/v1/councils/none/events", headers=STREAM) as response:
        assert response.status == 404
