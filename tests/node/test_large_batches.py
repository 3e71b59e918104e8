"""A batch whose first signatures are checked while the rest of it is parsed."""

import pytest

from foedus.base.cbor import decode, encode
from foedus.node.checking import STARTED_CHECKS
from tests.node.nodes import connect, share, street
from tests.node.people import enrol

COUNT = STARTED_CHECKS + 20
"""Of two signatures each: three parts."""


def forged(envelope):
    event, sig, content = decode(envelope)
    return encode([event, sig[:-1] + bytes([sig[-1] ^ 1]), content])


@pytest.mark.parametrize("place", [STARTED_CHECKS // 2 - 1, COUNT - 1])
async def test_each_verdict_is_that_of_its_own_event(tmp_path, place):
    async with street(tmp_path) as it:
        a, b = await it.add("a"), await it.add("b")
        await connect(b, a)
        await share(a, b)
        ada = await enrol(b, "ada")
        await it.stop("a")
        before = b.node.log.last_local
        for number in range(COUNT):
            await ada.say(str(number))
        said = [row.envelope.encode() for row in b.node.log.since(before, 1_000) if row.kind == "message.text"]
        carrier = b.node.store.node
        await it.stop("b")

        a = await it.start("a")
        report = await a.node.ingest.take([*said[:place], forged(said[place]), *said[place + 1 :]])
        assert [(it.index, it.reason) for it in report.refused] == [(place, "invalid_signature")]
        assert [it.index for it in report.deferred] == list(range(place + 1, COUNT))
        assert report.accepted == report.new.total() == place
        assert [at.seq for at in report.reached.values()] == [place]
        report = await a.node.ingest.take(said, carrier)
        assert (report.accepted, report.duplicates) == (COUNT - place, place)
        assert len(a.texts()) == COUNT
