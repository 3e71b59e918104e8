from hypothesis import given
from hypothesis import strategies as st

from foedus.state.knowledge.dependencies import WALKED_MAX, walk

GRAPHS = st.dictionaries(st.integers(0, 12), st.lists(st.integers(0, 15), max_size=4), min_size=1)


@given(GRAPHS)
def test_each_packet_below_is_named_once_however_they_run_in_circles(graph):
    *_, ground = walk(0, graph.get)
    below, waiting = set(), [0]
    while waiting:
        for each in graph.get(waiting.pop(), ()):
            if each not in below:
                below.add(each)
                waiting.append(each)
    assert set(ground.found) | set(ground.missing) == below - {0}
    assert len(ground.found) + len(ground.missing) == len(below - {0})
    assert set(ground.missing) == {each for each in below - {0} if each not in graph}


def test_ground_without_end_is_cut_off_and_says_so():
    *_, ground = walk(0, lambda packet: [packet + 1])
    assert len(ground.found) == WALKED_MAX
    assert not ground.is_whole


def test_a_circle_ends():
    *_, ground = walk(0, lambda packet: [(packet + 1) % 3])
    assert ground.found == [1, 2]


def test_each_packet_is_read_once():
    read = []
    for _ in walk(0, lambda packet: read.append(packet) or [(packet + 1) % 9, (packet + 2) % 9]):
        assert len(read) <= 9
    assert sorted(read) == [*range(9)]
