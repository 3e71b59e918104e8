"""Who of a council was heard lately, and how far each said it was. A hint for people: nothing is decided by it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from foedus.base.clock import Instant
from foedus.base.limits import SECOND
from foedus.consensus.messages import Message, Status
from foedus.values.node import Trouble

if TYPE_CHECKING:
    from foedus.node.council_seat import Seat

SILENT_AFTER = 10 * SECOND
"""Each member says how far it is every two seconds where nothing else is said: five of them were missed."""


class Attendance:
    """Of one epoch. Members are indexes; times are those of the loop."""

    def __init__(self, began: Instant) -> None:
        self._began = began
        self._heard: dict[int, Instant] = {}
        self._made: dict[int, int] = {}

    def heard(self, member: int, message: Message, now: Instant) -> None:
        """Take note that a member said something."""
        self._heard[member] = now
        if isinstance(message, Status):
            self._made[member] = message.executed

    def is_silent(self, member: int, now: Instant) -> bool:
        """Whether a member has said nothing for some time."""
        return now - self._heard.get(member, self._began) > SILENT_AFTER

    def made(self, member: int) -> int | None:
        """Return the last place that a member said it had made; None where it has not said."""
        return self._made.get(member)

    def lag(self, own: int, faults: int) -> int:
        """Return by how many places this node is behind, as more members say than may lie."""
        said = sorted(self._made.values(), reverse=True)
        return max(0, said[faults] - own) if len(said) > faults else 0


def silence_in(seat: Seat, name_of: Callable[[bytes], str]) -> list[Trouble]:
    """Return what a human is to know: members that say nothing, and whether the council can decide without them."""
    driver = seat.driver
    if driver is None or not driver.silent:
        return []
    members, name = driver.membership.members, seat.founded.founding.name
    silent = ", ".join(f"{name_of(members[it].node)!r}" for it in sorted(driver.silent))
    left = driver.membership.faults - len(driver.silent)
    words = f"it bears {left} more that are away or lie" if left >= 0 else "it decides nothing until some are back"
    return [
        Trouble(
            code="council_silent",
            message=f"{silent} said nothing in the council {name!r} for {SILENT_AFTER // SECOND} s or more: {words}",
            remedy="see whether they run: foedus status, and ask their people",
        )
    ]
