"""The rules of branches against a slow, obvious twin, on trees without keys."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from foedus.base.ids import sha256
from foedus.identity.branches import Link, judge


class Oracle:
    """Says of each record, from the definitions alone, whether it is honoured or void."""

    def __init__(self, links: dict[bytes, Link]) -> None:
        self.links = links

    def line(self, epoch: bytes) -> list[bytes]:
        prev = self.links[epoch].prev
        return [epoch] if prev is None else [*self.line(prev), epoch]

    def siblings(self, epoch: bytes) -> list[bytes]:
        prev = self.links[epoch].prev
        return [e for e, link in self.links.items() if link.prev == prev and e != epoch and prev is not None]

    def endorsed(self, epoch: bytes) -> bool:
        return any(link.by_recovery and epoch in self.line(other) for other, link in self.links.items())

    def beats(self, one: bytes, other: bytes) -> bool:
        if self.links[one].by_recovery:
            return not self.links[other].by_recovery or one < other
        return not self.links[other].by_recovery and self.endorsed(one) and not self.endorsed(other)

    def wins(self, epoch: bytes) -> bool:
        return all(self.beats(epoch, sibling) for sibling in self.siblings(epoch))

    def honoured(self) -> list[bytes]:
        found = [e for e in self.links if all(self.wins(a) for a in self.line(e))]
        return sorted(found, key=lambda e: len(self.line(e)))

    def void(self) -> set[bytes]:
        lost = {e for e in self.links if any(self.wins(sibling) for sibling in self.siblings(e))}
        return {e for e in self.links if lost & set(self.line(e))}

    def contested(self) -> bool:
        newest = self.honoured()[-1]
        return any(link.prev == newest for link in self.links.values())


ROOT = sha256(b"root")


@st.composite
def trees(draw) -> dict[bytes, Link]:
    links = {ROOT: Link(None, by_recovery=False)}
    for number in range(draw(st.integers(0, 12))):
        prev = draw(st.sampled_from(list(links)))
        links[sha256(bytes([number]), draw(st.binary(max_size=1)))] = Link(prev, draw(st.integers(0, 3)) == 0)
    return links


@settings(max_examples=600, deadline=None)
@given(trees())
def test_the_rules_agree_with_the_oracle(links):
    oracle, standing = Oracle(links), judge(ROOT, links)
    assert list(standing.path) == oracle.honoured()
    assert standing.void == oracle.void()
    assert standing.contested == oracle.contested()


@settings(max_examples=200, deadline=None)
@given(trees(), st.randoms(use_true_random=False))
def test_the_order_of_the_records_does_not_matter(links, random):
    shuffled = list(links.items())
    random.shuffle(shuffled)
    assert judge(ROOT, dict(shuffled)) == judge(ROOT, links)


@settings(max_examples=200, deadline=None)
@given(trees())
def test_a_recovery_at_the_branch_always_settles_it(links):
    standing = judge(ROOT, links)
    settled = {**links, bytes(32): Link(standing.newest, by_recovery=True)}  # the smallest id there is
    after = judge(ROOT, settled)
    assert after.path == (*standing.path, bytes(32))
    assert not after.contested


@settings(max_examples=200, deadline=None)
@given(trees(), st.data())
def test_without_recovery_keys_nobody_moves_a_node_that_has_recovered(links, data):
    """A thief of any former key can add plain records anywhere: up to the last recovery nothing changes."""
    standing = judge(ROOT, links)
    last = max((place for place, e in enumerate(standing.path) if links[e].by_recovery), default=0)
    settled = standing.path[: last + 1]
    stolen = dict(links)
    for number in range(3):
        stolen[sha256(b"thief", bytes([number]))] = Link(data.draw(st.sampled_from(list(stolen))), by_recovery=False)
    assert judge(ROOT, stolen).path[: last + 1] == settled
