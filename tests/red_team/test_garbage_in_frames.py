"""Frames of questions and calls full of garbage, past the decoder and into the node: refused, and no mistake."""

import asyncio
import logging
import random

from foedus.base.cbor import Malformed, NotCanonical
from foedus.query.call import call_id
from foedus.query.question import id_of
from foedus.sync.frames.calls import Call, CallCancel, CallEnded, CallProgress, CallRefused, CallSigned
from foedus.sync.frames.codec import decode_frame, encode_frame
from foedus.sync.frames.questions import Answered, Cancel, Query, QueryReport, Results, SignedResult
from tests.node.callees import calling, offer
from tests.node.nodes import connect, street, until
from tests.node.people import agent
from tests.node.questions import ask, hush, raw, remember

ROUNDS = 1_500
_CODES = ["answered", "seen", "refused", "late", "zzz", "silent"]


class Garbage:
    """Makes frames of known and unknown ids, of pieces of honest ones, damaged or not."""

    def __init__(self, seed, ids, blobs):
        self.random = random.Random(seed)
        self._ids, self._blobs = ids, blobs

    def id(self):
        return self.random.choice([*self._ids, self.random.randbytes(32)])

    def blob(self):
        data = bytearray(self.random.choice([*self._blobs, self.random.randbytes(self.random.randrange(1, 60))]))
        for _ in range(self.random.choice([0, 0, 1, 3])):
            data[self.random.randrange(len(data))] = self.random.randrange(256)
        return bytes(data[: self.random.choice([len(data), len(data), self.random.randrange(1, len(data) + 1)])])

    def sig(self):
        return self.random.choice([bytes(64), self.random.randbytes(64)])

    def maybe(self, value):
        return self.random.choice([None, value])

    def many(self, make, most=4):
        return tuple(make() for _ in range(self.random.randrange(most)))

    def number(self):
        return self.random.choice([0, 1, 2, 1_000_000, (1 << 53) - 1])

    def report(self):
        return QueryReport(self.maybe(self.id()), self.random.choice(_CODES), "x" * 64, self.number())

    def result(self):
        return SignedResult(self.blob(), self.sig())

    def frame(self):
        make = self.random.choice([
            lambda: Query(
                self.blob(), self.maybe(self.sig()), self.sig(), self.many(self.blob), (self.id(), *self.many(self.id)),
                self.random.choice([1, 1_000, 60_000_000]),
            ),
            lambda: Results(self.id(), self.many(self.result)),
            lambda: Answered(self.id(), self.many(self.report)),
            lambda: Cancel(self.id()),
            lambda: Call(self.blob(), self.maybe(self.sig()), self.sig(), self.random.choice([1, 60_000_000])),
            lambda: CallProgress(self.id(), self.number(), self.blob()),
            lambda: CallEnded(self.id(), self.blob()[:512], self.sig(), self.maybe(self.blob())),
            lambda: CallRefused(self.id(), "x" * 64, "\x00 words"),
            lambda: CallSigned(self.id(), self.sig()),
            lambda: CallCancel(self.id()),
        ])  # fmt: skip
        return make()


def passed(frame):
    """Return what the decoder of a link lets through, None where it refuses."""
    try:
        return decode_frame(encode_frame(frame))
    except (NotCanonical, Malformed, ValueError):
        return None


async def test_garbage_in_frames_of_questions_and_calls_is_no_mistake_of_the_node(tmp_path, caplog, monkeypatch):
    async with street(tmp_path) as it:
        a, b = await it.add("a"), await it.add("b")
        callee = await agent(a, "callee")
        await connect(a, b)
        remember(a, "the lamp of a", delay_s=0.01)
        hush(b)
        capability = await offer(a, callee)
        _, question = raw(b)
        waiting = asyncio.create_task(ask(a, "lamp", wait_ms=20_000))
        held = asyncio.create_task(a.service.call_work(callee, 1))
        made = calling(a, capability, wait_ms=20_000)
        await until(lambda: a.node.calls.made() and a.node.queries._held, "a question and a call are under way")
        ((call, record),) = a.node.calls.made()
        ids = [call, *a.node.queries._held, id_of(question.question), a.node.store.node, b.node.store.node]
        blobs = [question.question, record.call, b'{"text": "hello"}']
        monkeypatch.setattr(a.node.rates, "take", lambda *_: None)  # rates stop most of it before it is looked at
        garbage = Garbage(7, ids, blobs)
        link, frames_in = a.node.links.get(b.node.store.node), 0
        with caplog.at_level(logging.ERROR):
            for number in range(ROUNDS):
                frame = passed(garbage.frame())
                if frame is not None:
                    a.node.links.received(link, frame)
                    frames_in += 1
                if number % 50 == 0:
                    await asyncio.sleep(0)
            for task in (waiting, held, made):
                task.cancel()
            await asyncio.gather(waiting, held, made, return_exceptions=True)
            await until(lambda: not a.node.queries._judging, "all are judged")
        assert frames_in > ROUNDS // 2
        assert not [record for record in caplog.records if record.levelno >= logging.ERROR]
        assert call_id(record.call) == call
        assert a.node.calls.record(call).code != "x" * 64, "who was not asked ends no call"
        assert not link.session.is_closed
        found = await ask(a, "lamp", scope="local")
        assert [one.body["text"] for one in found.results] == ["the lamp of a"]
