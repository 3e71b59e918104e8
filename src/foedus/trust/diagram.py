"""The pictures of the peering machine for docs/peering-states.md, made from its table."""

from __future__ import annotations

from foedus.trust.inputs import HUMAN, RECEIVED, Input
from foedus.trust.peer import State
from foedus.trust.transitions import TABLE, Row

_HEAD = """# Peering: states and transitions

Made from `TABLE` in `src/foedus/trust/transitions.py`; a test compares. To make it again:
`python -c "from foedus.trust.diagram import render; print(render(), end='')" > docs/peering-states.md`

"Human" inputs come from this node's own people, "Received" ones from the other node. A human's input that has
no row in a state is refused with what to do instead, and changes nothing. Whatever changed is stored before
anything is sent. What two nodes exchange, and why they always meet again, is told at the head of that module.

"""
_NO_CONDITION = "it comes at all"


def render() -> str:
    """Return the whole page: the diagram of changes of state, then every row."""
    return f"{_HEAD}```mermaid\n{mermaid()}```\n\n{_tables()}"


def mermaid() -> str:
    """Return the changes of state as a Mermaid state diagram; rows that keep the state are left to the tables."""
    lines = ["stateDiagram-v2", "    [*] --> unknown"]
    edges: dict[tuple[State, State], list[str]] = {}
    for row in TABLE:
        if row.target is not None and row.target is not row.state:
            labels = edges.setdefault((row.state, row.target), [])
            if row.received.__name__ not in labels:
                labels.append(row.received.__name__)
    lines += [f"    {source} --> {target}: {', '.join(labels)}" for (source, target), labels in edges.items()]
    return "\n".join(lines) + "\n"


def _tables() -> str:
    return "\n".join(_table(received) for received in (*HUMAN, *RECEIVED))


def _table(received: type[Input]) -> str:
    lines = [
        f"## {received.__name__}",
        "",
        _sentence(received),
        "",
        "| State | If | Becomes | Written | Then |",
        "|---|---|---|---|---|",
    ]
    lines += [_line(row) for row in TABLE if row.received is received]
    return "\n".join(lines) + "\n"


def _line(row: Row) -> str:
    condition = _sentence(row.condition).removeprefix("If ").removesuffix(".")
    cells = (
        str(row.state),
        "" if condition == _NO_CONDITION else condition,
        "" if row.target is None else str(row.target),
        _sentence(row.write).removesuffix("."),
        ", ".join(f"`{effect.__name__}`" for effect in row.effects),
    )
    return "| " + " | ".join(cells) + " |"


def _sentence(documented: object) -> str:
    return (documented.__doc__ or "").strip().split("\n")[0]
