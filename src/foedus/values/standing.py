"""How far someone may go, and what says so."""

from __future__ import annotations

from typing import Literal

from foedus.values.node import View


class StandingView(View, frozen=True):
    """How far this node lets a participant go: 1 architect, 2 super, 3 elevated, 4 normal."""

    did: str
    name: str
    node: str
    node_name: str
    is_local: bool
    standing: int
    standing_name: str
    rights: list[str]
    proposed: int | None
    """A step up that waits for `foedus standing confirm`."""
    since: int | None
    """From when days and acts count: the first accepted act here, the last step, or the last breach."""
    breach: str
    """The last evidence against its node, '' where there is none."""
    acts: int | None = None
    """Accepted acts since then, up to the rule's number; None in lists."""
    missing: list[str] | None = None
    """What the rule still asks for the next step up: days, acts; None in lists."""
    known_as: str = ""
    """The name known here; '' where there is only what that one claims."""
    node_known_as: str = ""


class LayerView(View, frozen=True):
    """What one layer says of an act."""

    layer: Literal["agreement", "grant", "room"]
    verdict: Literal["allows", "refuses", "waits"]
    clause: str
    """By which clause it refuses, '' where it allows."""
    presets: dict[str, str]
    """The presets that it was made from: tier, standing, role."""
    words: str


class ExplainView(View, frozen=True):
    """Who may do what, and which layer and clause says so."""

    who: str
    name: str
    node: str
    node_name: str
    is_local: bool
    act: str
    """A command, a kind of act, or `event`."""
    room: str
    event: str
    allowed: bool
    layer: str
    code: str
    """As the node itself says it where it refuses the act ('' where it is allowed)."""
    layers: list[LayerView]
    why: str = ""
    """The code in plain words."""
