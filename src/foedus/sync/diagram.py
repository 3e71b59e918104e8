"""Render the transition tables as docs/link-states.md: ``python -m foedus.sync.diagram > docs/link-states.md``."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping

from foedus.sync.transitions import HANDSHAKE, SYNC, VOICE, Step, Voice

_PAGE = """# The states of a link

Made from `src/foedus/sync/transitions.py` by `python -m foedus.sync.diagram`; a test holds the two together.
What is not drawn is forbidden, and closes the link.

## Handshake

An initiator begins at *ready to dial*, a responder at *awaiting M1*. A slash parts what comes from what is sent.

{handshake}

## Session

Each side has a voice: what it has said about the other. This is how one side's voice moves with the frames that
it sends; both sides are held to it, and R speaks first.

{voice}

A side may send these frames:

{frames}

The frames {sync} need *both* voices ready.
"""


def render() -> str:
    """Return the whole page."""
    moves = {key: voice for key, voice in VOICE.items() if key[0] is not voice}
    return _PAGE.format(
        handshake=_diagram(HANDSHAKE, (Step.READY_TO_DIAL, Step.AWAITING_M1), Step.CLOSED),
        voice=_diagram(moves, (Voice.SILENT,), Voice.CLOSED),
        frames="\n".join(_row(voice) for voice in Voice if voice is not Voice.CLOSED),
        sync=", ".join(f"`{name}`" for name in SYNC),
    )


def _diagram(
    table: Mapping[tuple[Step, str], Step] | Mapping[tuple[Voice, str], Voice],
    first: Iterable[Step | Voice],
    last: Step | Voice,
) -> str:
    lines = ["```mermaid", "stateDiagram-v2"]
    lines += [f"    [*] --> {_name(state)}" for state in first]
    for pair, labels in _grouped(table).items():
        lines.append(f"    {_name(pair[0])} --> {_name(pair[1])}: {', '.join(labels)}")
    lines += [f"    {_name(last)} --> [*]", "```"]
    return "\n".join(lines)


def _grouped(
    table: Mapping[tuple[Step, str], Step] | Mapping[tuple[Voice, str], Voice],
) -> dict[tuple[Step | Voice, Step | Voice], list[str]]:
    grouped: dict[tuple[Step | Voice, Step | Voice], list[str]] = {}
    for (state, label), following in table.items():
        grouped.setdefault((state, following), []).append(label)
    return grouped


def _row(voice: Voice) -> str:
    names = ", ".join(f"`{name}`" for state, name in VOICE if state is voice)
    return f"- *{voice.value}*: {names}"


def _name(state: Step | Voice) -> str:
    return str(state.value).replace(" ", "_")


if __name__ == "__main__":
    sys.stdout.write(render())
