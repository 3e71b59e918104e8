"""Questions in tests of nodes in one process: asking them, and making those that no honest node would send."""

import secrets
from itertools import pairwise

from msgspec.structs import replace

from foedus.base.cbor import encode, to_plain
from foedus.base.ids import parse_id
from foedus.node.query_forms import Asked
from foedus.query.question import id_of, signing_bytes
from foedus.sync.frames.questions import Answered, Query
from tests.node.nodes import connect, until
from tests.node.toy_memory import ToyMemory


def texts(answers):
    return sorted(found.body["text"] for found in answers.results)


def outcomes(answers):
    return {report.node_name: report.outcome for report in answers.nodes}


def codes(answers):
    return {report.node_name: report.code for report in answers.nodes}


async def ask(running, text="", **how):
    return await running.service.answers(Asked(kind="text", text=text, **how))


def remember(running, *notes, **how):
    """Put a toy memory behind a node."""
    memory = ToyMemory(*notes, **how)
    running.node.queries.use(memory)
    return memory


def hush(running):
    """Let a node hear questions and say nothing."""
    running.node.links.on_query = lambda _link, _frame: None


async def row_of(it, *names):
    """Make nodes that are connected in a row, each with a note of its own."""
    nodes = [await it.add(name) for name in names]
    for one, other in pairwise(nodes):
        await connect(one, other)
    for node in nodes:
        remember(node, f"the lamp of {node.name}")
    return nodes


def raw(running, who="", key="", grants=(), sign=None, **changes):
    """Return (id, frame) of a question made past the asking node's own checks, by its operator or an agent."""
    service, store = running.service, running.node.store
    question, _, _ = service._made(Asked(kind="text", text="lamp"))
    question = replace(question, nonce=secrets.token_bytes(16))
    signer = None
    if who:
        agent = running.node.agents.find(who)
        signer = running.node.agents.key(running.node.agents.find(key or who))
        auth = (running.node.agents.enrolment(agent), *map(parse_id, grants))
        question = replace(question, asker=agent.did, device=signer.public, auth=auth)
    data = encode(to_plain(replace(question, **changes)))
    message = signing_bytes(data)
    sig = (sign or store.keys.ed25519.sign)(message)
    asig = signer.sign(message) if signer else None
    return id_of(data), Query(data, asig, sig, (), (store.node,), 5_000_000)


async def send_raw(running, answerer, frame=None, **how):
    """Send such a question, and return (outcome, code) of what the other answers."""
    query, sent = frame or raw(running, **how)
    link = running.node.links.get(answerer.node.store.node)
    heard = []
    before = running.node.links.on_query

    def listen(from_link, received):
        if isinstance(received, Answered) and received.query == query:
            heard.extend(received.reports)
        before(from_link, received)

    running.node.links.on_query = listen
    try:
        link.control(sent)
        await until(lambda: heard, "the other node answers")
    finally:
        running.node.links.on_query = before
    return heard[0].outcome, heard[0].code
