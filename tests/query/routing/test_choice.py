"""The best few peers, and flooding where nobody can say who is best."""

import pytest

from foedus.base.ids import sha256
from foedus.query.routing.choice import Arrival, choose, targets, unsure
from foedus.query.routing.known import Known, PlainVectors, Ranked
from foedus.query.routing.limits import (
    DOMAINS_MAX,
    INDEXED_MIN,
    NODE_BYTES_MAX,
    NODES_MAX,
    SPACES_MAX,
    TARGETS_MAX,
    TARGETS_MIN,
)
from foedus.query.routing.routes import Routes
from foedus.query.routing.sketch import make_sketch
from foedus.query.routing.vectors import unit

ME, A, B, C, D, E = (name.encode() * 32 for name in "mabcde")
EAST, NORTH = unit([1.0, 0.0]), unit([0.0, 1.0])


def sketch(*vectors, domain="notes", model="m"):
    return make_sketch(domain, model, 2, vectors)


@pytest.fixture
def routes():
    """D lies behind A and B, E behind C alone."""
    table = Routes(ME)
    table.hear(A, {A: 0, D: 1})
    table.hear(B, {B: 0, D: 1})
    table.hear(C, {C: 0, E: 2})
    return table


def test_the_peer_that_leads_to_the_best_node_is_asked(routes):
    ranked = [Ranked(E, 0.9)]
    assert choose(ranked, routes, Arrival((A, B, C), None, 3)) == ((C,), "routed")


def test_one_peer_is_enough_for_two_nodes_behind_it(routes):
    assert choose([Ranked(B, 0.9), Ranked(D, 0.8)], routes, Arrival((A, B, C), None, 3)).peers == (B,)


def test_a_node_that_is_farther_than_the_links_left_is_not_sought(routes):
    assert choose([Ranked(E, 0.9)], routes, Arrival((A, B, C), None, 2)).peers == ()
    assert choose([], routes, Arrival((A, B, C), None, 0)).peers == ()


def test_a_peer_that_may_not_be_asked_is_not(routes):
    assert choose([Ranked(D, 0.9)], routes, Arrival((B,), None, 3)).peers == (B,)
    assert choose([Ranked(A, 0.9)], routes, Arrival((B,), None, 3)).peers == ()


def test_a_peer_without_reach_is_always_asked(routes):
    assert choose([Ranked(E, 0.9)], routes, Arrival((A, C, D), None, 3)).peers == (C, D)


@pytest.mark.parametrize(
    ("ranked", "why"),
    [
        ([], "nothing_known"),
        ([Ranked(A, 0.49)], "nothing_like_it"),
        ([Ranked(sha256(bytes([number])), 0.8) for number in range(TARGETS_MIN + 1)], "all_alike"),
    ],
)
def test_who_is_unsure_floods(routes, ranked, why):
    assert choose(ranked, routes, Arrival((A, B, C), None, 3)) == ((A, B, C), why)


def test_a_few_nodes_that_are_all_alike_are_all_asked():
    assert unsure([Ranked(A, 0.8), Ranked(B, 0.8)]) is None


def test_more_are_asked_where_more_are_nearly_as_good():
    def names(count):
        return [sha256(number.to_bytes(2)) for number in range(count)]

    assert len(targets([Ranked(name, 0.9 - 0.1 * place) for place, name in enumerate(names(50))])) == TARGETS_MIN
    assert len(targets([Ranked(name, 0.9) for name in names(50)])) == TARGETS_MAX
    assert len(targets([Ranked(name, 0.9) for name in names(3)])) == 3


def test_the_nearest_centroid_ranks_a_node():
    known = Known()
    assert known.learn(A, sketch(EAST, NORTH))
    assert known.learn(B, sketch(unit([1.0, 1.0])))
    assert known.learn(C, sketch(NORTH, model="another"))
    assert [ranked.node for ranked in known.rank(EAST, "m")] == [A, B]
    assert known.rank(EAST, "m")[0].similarity == pytest.approx(1)
    assert known.rank(unit([1.0, 0.0, 0.0]), "m") == []


def test_an_empty_sketch_takes_the_one_before_away():
    known = Known()
    known.learn(A, sketch(EAST))
    known.learn(A, sketch(NORTH, domain="ships"))
    known.learn(A, sketch())
    assert known.rank(EAST, "m")[0].similarity == pytest.approx(0)
    known.learn(A, sketch(domain="ships"))
    assert known.rank(EAST, "m") == []
    assert known.learn(B, sketch())


def test_only_so_much_is_held_until_room_is_made():
    known = Known()
    nodes = [sha256(number.to_bytes(2)) for number in range(NODES_MAX)]
    assert all(known.learn(node, sketch(EAST)) for node in nodes)
    assert not known.learn(A, sketch(EAST))
    assert known.learn(nodes[0], sketch(NORTH))
    known.keep(nodes[1:])
    assert known.learn(A, sketch(EAST))
    assert all(known.learn(A, sketch(EAST, domain=f"d{number}")) for number in range(DOMAINS_MAX - 1))
    assert not known.learn(A, sketch(EAST, domain="one-more"))


def test_the_sketches_of_one_node_are_bounded_by_bytes():
    known = Known()
    wide = [unit([*[0.0] * place, 1.0, *[0.0] * (1_023 - place)]) for place in range(8)]
    large = make_sketch("large", "m", 1_024, wide)
    fit = NODE_BYTES_MAX // (8 * 1_024 * 4)
    assert all(known.learn(A, large._replace(domain=f"d{number}")) for number in range(fit))
    assert known.learn(A, large._replace(domain="d0")), "in place of the one before"
    assert not known.learn(A, large)
    assert known.learn(B, large)


def test_invented_models_find_no_room_beside_those_in_use():
    known = Known()
    assert all(known.learn(A, sketch(EAST, domain=f"d{number}", model=f"m{number}")) for number in range(SPACES_MAX))
    assert not known.learn(B, sketch(EAST, model="another"))
    assert known.learn(B, sketch(EAST, model="m0"))
    assert known.tells(B, "m0", 2)
    known.keep([B])
    assert known.learn(B, sketch(EAST, domain="more", model="another"))


class Compared(PlainVectors):
    """An index that tells what it was asked for."""

    asked = ()

    def nearest(self, vector, count):
        self.asked = (*self.asked, count)
        return super().nearest(vector, count)


def test_many_centroids_are_found_by_an_index_in_the_same_order():
    made = []

    def make(dimension):
        made.append(Compared(dimension))
        return made[-1]

    plain, indexed = Known(), Known(make)
    for number in range(INDEXED_MIN + 10):
        one = sketch(unit([float(number), 100.0]))
        assert plain.learn(sha256(number.to_bytes(2)), one) == indexed.learn(sha256(number.to_bytes(2)), one)
    assert indexed.rank(EAST, "m") == plain.rank(EAST, "m")
    (index,) = made
    assert index.asked == (INDEXED_MIN + 10,)
    indexed.keep([])
    assert (len(index), indexed.rank(EAST, "m")) == (0, [])
