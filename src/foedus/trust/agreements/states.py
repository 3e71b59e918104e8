"""The states of one document of a line of agreement, and what humans may do in each, as tables.

A *line* is one connection: the starter that both nodes signed when they connected, and the versions after it, each
on its base. Both nodes read the same state from the same events, whatever their order of arrival, because a step
only ever moves a document forward: states are ordered as they stand in ``State``, and ``TABLE`` has a row only
where the target is further on. Two steps therefore commute, and a step that comes twice changes nothing.

What orders the versions is the chain of the node with the smaller id alone. It finalises at most one document on
each base, by an ``agreement.sign`` with both signatures; of two the first in its chain counts. So an answer that
crosses a final one is too late on both sides, and there is no moment at which the two could choose differently.
``docs/agreement-states.md`` is made from these tables.
"""

from __future__ import annotations

from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping


class State(StrEnum):
    """Where a document stands, from the first to the last. Each value is also the word that people read."""

    UNKNOWN = "unknown"
    PROPOSED = "proposed"
    COUNTERED = "countered"
    SIGNED = "signed"
    DECLINED = "declined"
    WITHDRAWN = "withdrawn"
    OVERTAKEN = "overtaken"
    IN_FORCE = "in force"
    EXPIRED = "expired"
    REPLACED = "replaced"
    ENDED = "ended"


class Step(StrEnum):
    """What happens to a document. All but EXPIRE are read from accepted events of the two chains."""

    PROPOSE = "propose"
    COUNTER = "counter"
    SIGN = "sign"
    DECLINE = "decline"
    WITHDRAW = "withdraw"
    OVERTAKE = "overtake"
    FINALISE = "finalise"
    EXPIRE = "expire"
    REPLACE = "renegotiate"
    END = "terminate"


MEANINGS: Mapping[State | Step, str] = MappingProxyType(
    {
        State.UNKNOWN: "No event has brought it.",
        State.PROPOSED: "One side has signed it; the other's human has not answered.",
        State.COUNTERED: "The other side answered with a proposal of its own; this one can still be signed.",
        State.SIGNED: "Both have signed; the node with the smaller id has yet to finalise it, which it does by itself.",
        State.DECLINED: "The other's human said no.",
        State.WITHDRAWN: "Who had signed it no longer stands by it.",
        State.OVERTAKEN: "Another document became the next version on the same base.",
        State.IN_FORCE: "The version that both doors go by.",
        State.EXPIRED: "Its time is over: nothing of rooms passes until another version follows.",
        State.REPLACED: "A later version follows it.",
        State.ENDED: "One side ended the connection, and every version with it.",
        Step.PROPOSE: "`agreement.propose` or `agreement.counter` brings it.",
        Step.COUNTER: "The other side's `agreement.counter` answers it.",
        Step.SIGN: "The node with the larger id writes `agreement.sign` of the other's proposal.",
        Step.DECLINE: "The side that did not propose it writes `agreement.decline`.",
        Step.WITHDRAW: "A side that signed it writes `agreement.withdraw`.",
        Step.OVERTAKE: "Another document is finalised on its base.",
        Step.FINALISE: "The node with the smaller id writes `agreement.sign`; of the starter, both have connected.",
        Step.EXPIRE: "The clock reaches `expires`.",
        Step.REPLACE: "A version on this base is finalised.",
        Step.END: "Either side writes `agreement.end`.",
    }
)
"""Each state and step in a sentence, for people."""


class Row(NamedTuple):
    """One line of the table: a step moves a document from ``state`` to ``target``."""

    state: State
    step: Step
    target: State


_OPEN = (State.PROPOSED, State.COUNTERED, State.SIGNED)
_NOT_IN_FORCE = (State.UNKNOWN, *_OPEN, State.DECLINED, State.WITHDRAWN, State.OVERTAKEN)


def _rows(step: Step, target: State, states: Iterable[State]) -> Iterator[Row]:
    return (Row(state, step, target) for state in states)


TABLE: tuple[Row, ...] = (
    *_rows(Step.PROPOSE, State.PROPOSED, (State.UNKNOWN,)),
    *_rows(Step.COUNTER, State.COUNTERED, (State.UNKNOWN, State.PROPOSED)),
    *_rows(Step.SIGN, State.SIGNED, (State.UNKNOWN, State.PROPOSED, State.COUNTERED)),
    *_rows(Step.DECLINE, State.DECLINED, (State.UNKNOWN, *_OPEN)),
    *_rows(Step.WITHDRAW, State.WITHDRAWN, (State.UNKNOWN, *_OPEN, State.DECLINED)),
    *_rows(Step.OVERTAKE, State.OVERTAKEN, (State.UNKNOWN, *_OPEN, State.DECLINED, State.WITHDRAWN)),
    *_rows(Step.FINALISE, State.IN_FORCE, _NOT_IN_FORCE),
    *_rows(Step.EXPIRE, State.EXPIRED, (*_NOT_IN_FORCE, State.IN_FORCE)),
    *_rows(Step.REPLACE, State.REPLACED, (*_NOT_IN_FORCE, State.IN_FORCE, State.EXPIRED)),
    *_rows(Step.END, State.ENDED, (*_NOT_IN_FORCE, State.IN_FORCE, State.EXPIRED, State.REPLACED)),
)
"""The steps that change a state. Any other step in any other state changes nothing."""

_INDEX = {(row.state, row.step): row.target for row in TABLE}


def move(state: State, step: Step) -> State:
    """Return the state after a step."""
    return _INDEX.get((state, step), state)


def state_of(steps: Iterable[Step]) -> State:
    """Return the state of a document with which these steps happened, in any order."""
    state = State.UNKNOWN
    for step in steps:
        state = move(state, step)
    return state


Wish: TypeAlias = Literal["propose", "counter", "sign", "decline", "withdraw", "terminate"]
Whose: TypeAlias = Literal["ours", "theirs", "both"]


class Permission(NamedTuple):
    """A human may wish this while a document of ours, theirs or both is in this state; ``kind`` is then written."""

    wish: Wish
    whose: Whose
    state: State
    kind: str


WISHES: tuple[Permission, ...] = (
    *(Permission("propose", "both", state, "agreement.propose") for state in (State.IN_FORCE, State.EXPIRED)),
    *(Permission("counter", "theirs", state, "agreement.counter") for state in (State.PROPOSED, State.COUNTERED)),
    *(Permission("sign", "theirs", state, "agreement.sign") for state in (State.PROPOSED, State.COUNTERED)),
    *(Permission("decline", "theirs", state, "agreement.decline") for state in (State.PROPOSED, State.COUNTERED)),
    *(Permission("withdraw", "ours", state, "agreement.withdraw") for state in _OPEN),
    Permission("withdraw", "theirs", State.SIGNED, "agreement.withdraw"),
    *(Permission("terminate", "both", state, "agreement.end") for state in (State.IN_FORCE, State.EXPIRED)),
)
"""What this node's humans may do. ``both``: the document in force, which is nobody's proposal any more."""

_ALLOWED = {(permission.wish, permission.whose, permission.state) for permission in WISHES}


def may(wish: Wish, whose: Whose, state: State) -> bool:
    """Tell whether a human may wish this of a document."""
    return (wish, whose, state) in _ALLOWED
