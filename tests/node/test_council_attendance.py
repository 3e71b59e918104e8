"""Who was heard in a council lately, and how far behind this node is."""

from foedus.base.limits import SECOND
from foedus.consensus.messages import Status
from foedus.node.council_attendance import SILENT_AFTER, Attendance


def test_who_says_nothing_for_long_is_silent():
    held = Attendance(0)
    assert not held.is_silent(1, SILENT_AFTER)
    assert held.is_silent(1, SILENT_AFTER + 1)
    held.heard(1, Status(0, True, 3, 0), 5 * SECOND)
    assert not held.is_silent(1, SILENT_AFTER + 1)
    assert held.made(1) == 3
    assert held.made(2) is None


def test_one_that_lies_makes_nobody_seem_behind():
    held = Attendance(0)
    held.heard(1, Status(0, True, 1 << 40, 0), 0)
    assert held.lag(5, 1) == 0
    held.heard(2, Status(0, True, 9, 0), 0)
    assert held.lag(5, 1) == 4
    held.heard(3, Status(0, True, 4, 0), 0)
    assert held.lag(5, 1) == 4
