"""The page docs/agreement-states.md, made from the tables of the states of agreements."""

from __future__ import annotations

from foedus.trust.agreements.states import MEANINGS, TABLE, WISHES, State, Step

_HEAD = """# Agreements: states and transitions

Made from the tables in `src/foedus/trust/agreements/states.py`; a test compares. To make it again:
`python -c "from foedus.trust.agreements.diagram import render; print(render(), end='')" > docs/agreement-states.md`

One document of a connection, from its proposal to its end. Both nodes read the same state from the same events,
whatever their order of arrival: a step only moves a document forward, so steps commute. The chain of the node with
the smaller id alone orders the versions. How a version comes in force is told in
[the protocol](protocol.md#6-agreements) and at the head of that module.

The picture shows the usual way; the table below it has every row. A step that has no row in a state changes nothing.

"""
_USUAL = (
    (State.UNKNOWN, Step.PROPOSE),
    (State.PROPOSED, Step.COUNTER),
    (State.PROPOSED, Step.SIGN),
    (State.PROPOSED, Step.DECLINE),
    (State.PROPOSED, Step.WITHDRAW),
    (State.PROPOSED, Step.FINALISE),
    (State.PROPOSED, Step.OVERTAKE),
    (State.COUNTERED, Step.SIGN),
    (State.COUNTERED, Step.FINALISE),
    (State.COUNTERED, Step.OVERTAKE),
    (State.SIGNED, Step.FINALISE),
    (State.SIGNED, Step.OVERTAKE),
    (State.SIGNED, Step.WITHDRAW),
    (State.IN_FORCE, Step.EXPIRE),
    (State.IN_FORCE, Step.REPLACE),
    (State.IN_FORCE, Step.END),
    (State.EXPIRED, Step.REPLACE),
    (State.EXPIRED, Step.END),
)


def render() -> str:
    """Return the whole page."""
    return f"{_HEAD}```mermaid\n{mermaid()}```\n\n{_states()}\n{_steps()}\n{_wishes()}"


def mermaid() -> str:
    """Return the usual way as a Mermaid state diagram."""
    lines = ["stateDiagram-v2", "    [*] --> unknown"]
    lines += [
        f"    {_name(row.state)} --> {_name(row.target)}: {row.step}"
        for row in TABLE
        if (row.state, row.step) in _USUAL
    ]
    return "\n".join(lines) + "\n"


def _name(state: State) -> str:
    return state.replace(" ", "_")


def _states() -> str:
    lines = ["## States", "", "| State | Meaning |", "|---|---|"]
    return "\n".join([*lines, *(f"| {state} | {MEANINGS[state]} |" for state in State)]) + "\n"


def _steps() -> str:
    lines = ["## Steps", "", "| Step | When | From | To |", "|---|---|---|---|"]
    for step in Step:
        rows = [row for row in TABLE if row.step is step]
        sources = ", ".join(row.state for row in rows)
        lines.append(f"| {step} | {MEANINGS[step]} | {sources} | {rows[0].target} |")
    return "\n".join(lines) + "\n"


def _wishes() -> str:
    lines = ["## What humans may do", "", "| Wish | Document | State | Written |", "|---|---|---|---|"]
    for wish, whose, kind in dict.fromkeys((it.wish, it.whose, it.kind) for it in WISHES):
        states = ", ".join(it.state for it in WISHES if (it.wish, it.whose) == (wish, whose))
        shown = "in force" if whose == "both" else whose
        lines.append(f"| {wish} | {shown} | {states} | `{kind}` |")
    return "\n".join(lines) + "\n"
