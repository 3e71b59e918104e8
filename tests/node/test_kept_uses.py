"""Uses that are no events are kept for the hour in which they count."""

from types import SimpleNamespace

from foedus.base.limits import HOUR, SECOND
from foedus.node.kept_uses import KeptUses

NOW = 1_700_000_000 * SECOND
NODE = b"n" * 32


def grant(number):
    return SimpleNamespace(id=number.to_bytes(32, "big"), issuer=SimpleNamespace(node=NODE))


class Disk:
    """Values of one space, as a log holds them."""

    def __init__(self):
        self.held = {}
        self.log = self

    def values(self, _space):
        return dict(self.held)

    def put(self, values):
        for value in values:
            if value.value is None:
                del self.held[value.key]
            else:
                self.held[value.key] = value.value


def test_uses_are_there_after_a_restart_each_for_itself():
    disk = Disk()
    kept = KeptUses(disk)
    disk.put(kept.add([grant(1), grant(2)], [5, 7], NOW))
    disk.put(kept.add([grant(1)], [5], NOW))
    again = list(KeptUses(disk).of_node(NODE))
    assert again == list(kept.of_node(NODE))
    assert [(use.grant, use.allowed) for use in again] == [(grant(1).id, 5), (grant(2).id, 7), (grant(1).id, 5)]
    assert list(KeptUses(disk).of_node(b"m" * 32)) == []


def test_what_counts_no_more_goes():
    disk = Disk()
    kept = KeptUses(disk)
    for number in range(600):
        disk.put(kept.add([grant(number)], [5], NOW + number))
    disk.put(kept.add([grant(1)], [5], NOW + HOUR + SECOND))
    assert len(disk.held) == 600 - 256 + 1, "some at a time"
    for number in range(3):
        disk.put(kept.add([grant(1)], [5], NOW + 2 * HOUR + SECOND + number))
    assert len(disk.held) == 3
