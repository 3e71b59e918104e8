"""The part of the fake node that answers questions."""

from foedus.base.errors import UsageError
from foedus.values.queries import AnswersView, FoundView, MergedView, NodeReport, VectorView
from tests.surfaces.http.fake_values import EPOCH, NODE

FOUND = FoundView(
    query="ab" * 32,
    node=NODE,
    node_name="fake",
    node_known_as="",
    epoch=EPOCH,
    rank=0,
    content="cd" * 32,
    kind="note",
    score=1_000_000,
    hlc=[1, 0],
    body={"text": "the lamp"},
    signed="oA",
    sig="AA",
)
ANSWERS = AnswersView(
    query=FOUND.query,
    results=[
        MergedView(
            content=FOUND.content, kind="note", fused=1, score=1_000_000, hlc=[1, 0], body=FOUND.body, sources=[FOUND]
        )
    ],
    nodes=[NodeReport(node=NODE, node_name="fake", node_known_as="", outcome="answered", code="", results=1)],
    dropped={},
    took_us=1_000,
)


class FakeQueries:
    """Finds the lamp, whatever is asked."""

    async def ask(self, asked):
        self._note("ask", asked)
        return self._coming()

    async def _coming(self):
        yield FOUND
        yield ANSWERS

    async def answers(self, asked):
        self._note("answers", asked)
        return ANSWERS

    async def vector(self, text):
        self._note("vector", text)
        return VectorView(model="small", dimension=1, vector="AACAPw")

    async def query_propose(self, asked):
        self._note("query_propose", asked)
        raise UsageError("no node waits for a human's word", code="no_approval_needed", http_status=409)
