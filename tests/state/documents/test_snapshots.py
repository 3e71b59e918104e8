"""Snapshots of documents: who lacks what they stand for ends with the same bytes, and they say nothing else."""

from functools import partial

from hypothesis import given, settings
from hypothesis import strategies as st
from pycrdt import Doc, Text

from foedus.state.documents.fold import Part, RoomDocuments, Snapshot
from foedus.state.documents.replica import Joined, Yjs, merged

NODES = [b"a" * 32, b"b" * 32, b"c" * 32]


def node_of(epoch):
    return epoch  # each node has one epoch, named as the node


@st.composite
def histories(draw):
    """Chains of three nodes whose clients write, delete, and hear of each other now and then: node → updates."""
    docs, chains = [Doc(client_id=number) for number in (1, 2, 3)], {node: [] for node in NODES}
    for number, doc in enumerate(docs):
        doc["text"] = Text()
        doc.observe(lambda event, number=number: said[number].append(event.update))
    said = [[] for _ in NODES]
    for _ in range(draw(st.integers(1, 25))):
        number = draw(st.integers(0, 2))
        text = docs[number]["text"]
        if draw(st.booleans()) and len(text):
            at = draw(st.integers(0, len(text) - 1))
            del text[at : at + 1]
        else:
            text.insert(draw(st.integers(0, len(text))), draw(st.sampled_from(["x", "long"])))
        chains[NODES[number]] += said[number]
        for other in range(3):
            if other != number and draw(st.booleans()):
                docs[other].apply_update(docs[number].get_update())
        for heard in said:
            heard.clear()
    return {node: updates for node, updates in chains.items() if updates}


def parts(chains, after=None):
    return [
        Part("page", node, seq, "did", 0, 1, update)
        for node, updates in chains.items()
        for seq, update in enumerate(updates, 1)
        if seq > (after or {}).get(node, 0)
    ]


def snapshot(held, node, upto, **changed):
    said = {"name": "page", "node": node, "epoch": node, "seq": len(held[node]) + 1, "chains": {node: upto}}
    return Snapshot(**(said | {"data": merged(held[node][:upto])} | changed))


@given(histories(), st.data())
@settings(deadline=None)
def test_a_late_reader_has_the_bytes_of_one_who_holds_everything(chains, data):
    whole = RoomDocuments()
    for part in data.draw(st.permutations(parts(chains))):
        whole.take(part)
    gaps = {
        node: data.draw(st.integers(1, len(chains[node]))) for node in data.draw(st.sets(st.sampled_from([*chains])))
    }
    upto = {node: data.draw(st.integers(gap, len(chains[node]))) for node, gap in gaps.items()}
    brought = [*parts(chains, gaps), *(snapshot(chains, node, upto[node]) for node in gaps)]
    late = joined(data.draw(st.permutations(brought)), gaps)
    assert loaded(late) == loaded(whole)


def loaded(fold):
    """Return the bytes of a document that was given as one update: what came bit by bit may lie in smaller pieces."""
    doc = Doc()
    doc.apply_update(fold.documents["page"].whole())
    return doc.get_update()


def joined(brought, gaps=None):
    """Fold as a node does."""
    fold = RoomDocuments(partial(Joined, merged), gaps or {}, node_of)
    for each in brought:
        fold.take_snapshot(each) if isinstance(each, Snapshot) else fold.take(each)
    fold.hold(Yjs)
    return fold


def chains_of(*texts):
    found = {}
    for node, text in zip(NODES, texts, strict=False):
        doc = Doc()
        doc["text"] = Text(text)
        found[node] = [doc.get_update()]
    return found


def test_a_snapshot_is_not_looked_at_where_the_updates_are_held():
    chains = chains_of("true")
    reader = RoomDocuments(node_of=node_of)
    for part in parts(chains):
        reader.take(part)
    lie = chains_of("a lie")[NODES[0]][0]
    assert reader.take_snapshot(snapshot(chains, NODES[0], 1, data=lie)) == []


def test_a_node_speaks_for_its_own_chains_and_for_what_came_before_alone():
    chains = chains_of("one", "two")
    gaps = {NODES[0]: 1, NODES[1]: 1}
    reader = RoomDocuments(gaps=gaps, node_of=node_of)
    ours, theirs = NODES[0], NODES[1]
    for bad in (
        snapshot(chains, ours, 1, chains={theirs: 1}),
        snapshot(chains, ours, 1, chains={ours: 1, theirs: 1}),
        snapshot(chains, ours, 1, seq=1),
        snapshot(chains, ours, 1, data=b"\xff"),
    ):
        assert reader.take_snapshot(bad) == []
    assert reader.documents == {}
    assert reader.take_snapshot(snapshot(chains, ours, 1)) != []
