"""Roles in rooms: numbers that the host gives with a membership, and the least one for each right.

One table, read by the authority verdict (``log.authority``), by erasure and by the evaluator (``trust.evaluator``).
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal

from foedus.base.errors import UsageError

OWNER, ADMIN, MODERATOR, SUPER_AGENT, MEMBER, AGENT, SPECTATOR = 999, 900, 700, 600, 400, 300, 50
GIVEN_MAX = 998
"""The greatest role that can be given: owner is the node that hosts the room, and nobody else."""

NAMES: Mapping[int, str] = MappingProxyType(
    {
        OWNER: "owner",
        ADMIN: "admin",
        MODERATOR: "moderator",
        SUPER_AGENT: "super agent",
        MEMBER: "member",
        AGENT: "agent",
        SPECTATOR: "spectator",
    },
)
"""The roles that have a name by themselves; a host names others in ``member.add``."""

Right = Literal["read", "speak", "moderate", "invite", "own"]

LEAST: Mapping[Right, int] = MappingProxyType(
    {"read": SPECTATOR, "speak": AGENT, "moderate": MODERATOR, "invite": ADMIN, "own": OWNER}
)
"""The least role for each right."""

_NEEDS: Mapping[str, Right] = MappingProxyType(
    {"room.leave": "read", "event.erase": "read", "member.add": "invite", "member.remove": "invite"}
)
"""What kinds of acts ask for; whoever wrote something may take it back, so erasing others' words is judged apart."""


def may(role: int, right: Right) -> bool:
    """Whether a role has a right. Whoever is a member at all may read and leave."""
    return right == "read" or role >= LEAST[right]


def may_moderate(role: int) -> bool:
    """Whether a role may erase what others said."""
    return may(role, "moderate")


def right_for(kind: str) -> Right:
    """Return the right that an act of ``kind`` in a room asks for."""
    return _NEEDS.get(kind, "speak")


def default_role(kind: str | None) -> int:
    """Return the role where none was given: of an agent, or of a human or a node (None)."""
    return AGENT if kind == "agent" else MEMBER


def name_of(role: int, title: str | None = None) -> str:
    """Return what a role is called: as its host says, else by its number's own name."""
    return title or NAMES.get(role, f"role {role}")


def parse_role(text: str) -> int:
    """Return the role that a user typed, by name or number; raise UsageError where it is none that can be given."""
    wanted = text.strip().casefold()
    by_name = {name: role for role, name in NAMES.items() if role <= GIVEN_MAX}
    role = by_name.get(wanted.replace("-", " "), int(wanted) if wanted.isdecimal() and len(wanted) <= 3 else 0)  # noqa: PLR2004  # digits of GIVEN_MAX
    if not 1 <= role <= GIVEN_MAX:
        raise UsageError(
            f"{text[:80]!r} is no role that can be given",
            code="bad_role",
            remedy=f"give {', '.join(by_name)}, or a number from 1 to {GIVEN_MAX}",
        )
    return role
