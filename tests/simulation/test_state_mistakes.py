"""The simulation notices what is broken in what follows from the log: mistakes that a node could have."""

from unittest import mock

import pytest

from foedus.node.audience import Audience
from foedus.node.call_life import CallLife
from foedus.node.document_desk import DocumentDesk
from foedus.node.document_rows import DocumentRows
from foedus.node.documents import Documents
from foedus.node.knowledge_indexing import KnowledgeIndexer
from foedus.node.log_substrate import LogSubstrate
from foedus.node.query_judging import Judge
from foedus.query.desk import Desk
from foedus.state.documents.messages import brings
from foedus.state.knowledge import tasks
from tests.simulation.noticing import assert_noticed
from tests.simulation.plans import Plan

_TYPING = Plan(nodes=4, rooms=2, messages=0, breaks=0.5, partitions=2, removals=4, edits=60, patience_s=150.0)
_CRASHING = Plan(nodes=3, rooms=1, messages=0, crashes=0.1, edits=60, patience_s=150.0)
_CALLING = Plan(nodes=3, rooms=1, messages=0, crashes=0.05, calls=60, patience_s=150.0)
_TELLING = Plan(nodes=4, rooms=1, messages=0, breaks=0.5, partitions=2, tellings=40, patience_s=150.0)
_AGREEING = Plan(nodes=3, rooms=1, messages=0, breaks=0.5, tellings=40, negotiations=20, patience_s=150.0)
_ASKING = Plan(nodes=5, rooms=2, messages=20, partitions=1, questions=60, pauses=8, patience_s=150.0)


def drop_an_update():
    """The first update of a room that others wrote is passed over."""
    real = DocumentRows._brought
    passed_over = {}

    def brought(self, row):
        first = passed_over.setdefault((self, row.stream), row.id)
        return None if first == row.id else real(self, row)

    return mock.patch.object(DocumentRows, "_brought", brought)


def keep_what_was_folded():
    """What counts no longer stays in the document."""
    return mock.patch.object(Documents, "_drop_changed")


def take_edits_of_any_document():
    """What was written in one document is read in all."""
    real = DocumentRows._brought

    def brought(self, row):
        found = real(self, row)
        return found if found is None else found._replace(piece=found.piece._replace(name="page"))

    return mock.patch.object(DocumentRows, "_brought", brought)


def say_that_it_is_durable_at_once():
    real = DocumentDesk.order

    async def order(self, seat, update):
        self.tell((f"room:{seat.room.hex()}", seat.name), brings(update))
        await real(self, seat, update)

    return mock.patch.object(DocumentDesk, "order", order)


def answer_whoever_asks():
    return mock.patch.object(Judge, "clause", return_value="")


def tell_strangers_of_rooms():
    return mock.patch.object(Audience, "may_be_told", return_value=True)


def forget_what_followed():
    return mock.patch.object(LogSubstrate, "_after", return_value=[])


def wait_for_everybody():
    return mock.patch.object(Desk, "next_deadline", return_value=None)


def begin_again_after_a_restart():
    """What an agent had when its node was killed is given to it once more."""

    async def start(self):
        for call, record in self._records:
            if not record.is_over:
                self._under_way[call] = record.request.node
                await self._records.change(call, state="open", began=0)
                self._begin(call, self._records.get(call))

    return mock.patch.object(CallLife, "start", start)


def hand_over_before_it_is_written():
    """An agent gets a call while that is on its way to the disk."""

    async def hand(self, call):
        record = self._records.get(call)
        if record is None or record.state != "open":
            return None
        self._open_no_more(call, record)
        return record

    return mock.patch.object(CallLife, "hand", hand)


def take_what_was_told_in_another_order():
    """By id, and not by clock."""
    real = tasks.in_order
    return mock.patch.object(tasks, "in_order", lambda told: sorted(real(told), key=lambda one: one.id))


def read_all_but_the_last():
    """The index passes over an event of each page that it reads."""
    real = KnowledgeIndexer._mentions
    return mock.patch.object(KnowledgeIndexer, "_mentions", lambda self, rows: real(self, rows)[:-1])


def tell_whatever_was_agreed():
    return mock.patch.object(Audience, "is_agreed", return_value=True)


def keep_knowledge_to_oneself():
    """What others told is not passed on."""
    real = Audience.may_see

    def may_see(self, viewer, chain):
        return (chain.kind != "knowledge" or chain.node == self.own) and real(self, viewer, chain)

    return mock.patch.object(Audience, "may_see", may_see)


@pytest.mark.parametrize(
    ("mistake", "said", "plan", "first"),
    [
        (drop_an_update, "is not what its log has", _TYPING, 4),
        (keep_what_was_folded, "keeps other documents", _TYPING, 7),
        (take_edits_of_any_document, "some that nobody typed there", _TYPING, 1),
        (say_that_it_is_durable_at_once, "had said is durable", _CRASHING, 2),
        (answer_whoever_asks, "who may not ask", _ASKING, 1),
        (tell_strangers_of_rooms, "never a member, of", _ASKING, 1),
        (forget_what_followed, " causes", _ASKING, 1),
        (wait_for_everybody, "for answers within", _ASKING, 1),
        (take_what_was_told_in_another_order, "other tasks than its log has", _TELLING, 1),
        (read_all_but_the_last, "other packets than its log has", _TELLING, 1),
        (tell_whatever_was_agreed, "against their agreement, events of knowledge", _AGREEING, 1),
        (keep_knowledge_to_oneself, "does not count at", _TELLING, 1),
        (begin_again_after_a_restart, "was run 2 times", _CALLING, 2),
        (hand_over_before_it_is_written, "was run", _CALLING, 1),
    ],
)
def test_a_mistake_is_noticed(mistake, said, plan, first):
    assert_noticed(mistake, said, plan, first)
