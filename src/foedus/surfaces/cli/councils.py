"""Councils: nodes that decide together although some of them lie."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
from cyclopts import App, Parameter, validators

from foedus.surfaces.cli.council_text import (
    council_lines,
    council_row,
    decision_lines,
    joined_text,
    member_name,
    motion_text,
    place_text,
    proved_text,
    seen_text,
    update_text,
    value_text,
)
from foedus.surfaces.cli.options import COMMON, Common, Yes
from foedus.surfaces.cli.output import pairs
from foedus.surfaces.cli.prompts import confirm
from foedus.surfaces.cli.text import TICK, inert, short
from foedus.values.councils import (
    CouncilDecisionView,
    CouncilEntryView,
    CouncilMotionView,
    CouncilProofView,
    CouncilView,
)

if TYPE_CHECKING:
    from foedus.surfaces.cli.client import Client

app = App(name="council", help="Councils: four nodes or more that decide together although some of them lie.")

Council = Annotated[str, Parameter(help="A council's name or id.")]
Key = Annotated[str, Parameter(help="A key of the council's map.")]
_DECISION_S = 60.0
"""The node waits 30 s for a decision."""


@app.command
def create(
    name: Annotated[str, Parameter(help="What the council is called.")],
    /,
    *peers: Annotated[str, Parameter(help="The other members: connected peers, three or more.")],
    seal: Annotated[
        bool, Parameter(negative="", help="Its members seal what it decides: shown after Ed25519 has fallen.")
    ] = False,
    common: Common = COMMON,
) -> None:
    """Found a council with connected peers. It begins when a person at each of them has joined."""
    out = common.output()
    body = {"name": name, "peers": list(peers), "seal": seal}
    view = common.client().post("/councils", CouncilView, body)
    out.show(view, council_lines)
    out.next("foedus council show {}", short(view.id))


@app.command
def join(council: Council, /, *, yes: Yes = False, common: Common = COMMON) -> None:
    """Join a council: this node signs its founding document, and votes from then on."""
    from foedus.surfaces.cli.client import path_of

    out = common.output()
    node = common.client()
    view = node.get(path_of("councils", council), CouncilView)
    members = ", ".join(f"{member_name(it)} {it.node}" for it in view.members)
    confirm(f"Join the council {inert(view.name)!r} ({view.id}) of {members}?", yes=yes)
    out.show(node.post(path_of("councils", view.id, "join"), CouncilView), council_lines)
    out.next("foedus council show {}", short(view.id))


@app.command(name="list")
def list_(*, common: Common = COMMON) -> None:
    """List the councils of this node, and those that it is asked to join."""
    out = common.output()
    found = common.client().get("/councils", list[CouncilView])
    if out.as_json or not found:
        out.show(found, lambda _: [["no councils yet"]])
    else:
        out.table(["name", "id", "members", ""], (council_row(view) for view in found))
    out.next("foedus council show NAME" if found else "foedus council create NAME PEER PEER PEER")


@app.command
def show(council: Council, /, *, common: Common = COMMON) -> None:
    """Show how far a council is here, and who leads it."""
    from foedus.surfaces.cli.client import path_of

    out = common.output()
    view = common.client().get(path_of("councils", council), CouncilView)
    out.show(view, council_lines)
    out.next("foedus council join {}" if view.state == "asked" else "foedus council log {}", council)


@app.command
def members(council: Council, /, *, common: Common = COMMON) -> None:
    """List the members of a council."""
    from foedus.surfaces.cli.client import path_of

    out = common.output()
    found = common.client().get(path_of("councils", council), CouncilView).members
    if out.as_json:
        out.show(found, lambda _: [])
    else:
        rows = ([member_name(it), it.node, joined_text(it), seen_text(it)] for it in found)
        out.table(["member", "id", "", ""], rows)
    out.next("foedus council show {}", council)


@app.command
def add(
    council: Council,
    peer: Annotated[str, Parameter(help="A connected peer.")],
    /,
    *,
    yes: Yes = False,
    common: Common = COMMON,
) -> None:
    """Wish a peer to be a member. It comes once a quorum of the members wishes that and a person there joins."""
    from foedus.surfaces.cli.client import path_of

    confirm(f"Wish {inert(peer)!r} to be a member, which then decides and holds all that the council holds?", yes=yes)
    out = common.output()
    out.show(common.client().post(path_of("councils", council, "members"), CouncilView, {"peer": peer}), council_lines)
    out.next("foedus council show {}", council)


@app.command
def remove(
    council: Council,
    member: Annotated[str, Parameter(help="A member's name or id.")],
    /,
    *,
    yes: Yes = False,
    common: Common = COMMON,
) -> None:
    """Wish a member to go. It does once a quorum of the members wishes that."""
    from foedus.surfaces.cli.client import path_of

    confirm(f"Wish {inert(member)!r} to be a member no more?", yes=yes)
    out = common.output()
    out.show(common.client().delete(path_of("councils", council, "members", member), CouncilView), council_lines)
    out.next("foedus council show {}", council)


@app.command
def motions(council: Council, /, *, common: Common = COMMON) -> None:
    """List what nodes would do once a quorum of the members approves it."""
    from foedus.surfaces.cli.client import path_of

    out = common.output()
    found = common.client().get(path_of("councils", council, "motions"), list[CouncilMotionView])
    if out.as_json or not found:
        out.show(found, lambda _: [["nothing waits"]])
    else:
        out.table(
            ["motion", "", "approved by"], ([short(it.id), motion_text(it), str(len(it.approved_by))] for it in found)
        )
    out.next("foedus council approve {} MOTION", council)


@app.command
def approve(
    council: Council,
    motion: Annotated[str, Parameter(help="A motion's id, or 8 digits of it.")],
    /,
    *,
    yes: Yes = False,
    common: Common = COMMON,
) -> None:
    """Approve a motion in this node's name. It is approved once a quorum of the members did."""
    from foedus.surfaces.cli.client import path_of

    out = common.output()
    node = common.client()
    open_ = node.get(path_of("councils", council, "motions"), list[CouncilMotionView])
    said = next((motion_text(it) for it in open_ if it.id.startswith(motion)), "")
    confirm(f"Approve {said or inert(motion)}?", yes=yes)
    out.show(node.post(path_of("councils", council, "motions", motion, "approve"), CouncilView), council_lines)
    out.next("foedus council motions {}", council)


@app.command
def govern(
    council: Council,
    /,
    *,
    room: Annotated[str, Parameter(help="A room that this node hosts.")] = "",
    agreement: Annotated[str, Parameter(help="The peer with whom it is.")] = "",
    release: Annotated[bool, Parameter(negative="", help="Ask the council no more; it has to approve that.")] = False,
    common: Common = COMMON,
) -> None:
    """Change a room's members, or an agreement, only once the council approved it."""
    from foedus.surfaces.cli.client import path_of

    out = common.output()
    body = {"room": room, "peer": agreement, "release": release}
    out.show(common.client().post(path_of("councils", council, "governed"), CouncilView, body), council_lines)
    out.next("foedus council motions {}", council)


@app.command
def propose(
    council: Council,
    key: Key,
    value: Annotated[str, Parameter(help="What it shall be.")],
    /,
    *,
    expect: Annotated[str | None, Parameter(help="Only if the key has this value now.")] = None,
    as_: Annotated[str, Parameter(name="--as", help="An agent of this node, with a grant of a person.")] = "",
    common: Common = COMMON,
) -> None:
    """Set a key, and wait until the council has decided."""
    from foedus.base.base64url import to_base64url
    from foedus.surfaces.cli.client import path_of

    out = common.output()
    if_value = None if expect is None else [to_base64url(expect.encode())]
    body = {"key": key, "value": to_base64url(value.encode()), "if_value": if_value, "as": as_}
    view = common.client().post(
        path_of("councils", council, "updates"), CouncilDecisionView, body, timeout_s=_DECISION_S
    )
    out.show(view, decision_lines)
    out.next("foedus council proof {} " + f"{view.sequence} {view.position} > FILE", council)


@app.command
def get(
    council: Council,
    key: Key,
    /,
    *,
    held: Annotated[
        bool, Parameter(negative="", help="What this node holds, at once: it may be behind the council.")
    ] = False,
    common: Common = COMMON,
) -> None:
    """Read a key, in the order of all updates: no decision before it is missed."""
    from foedus.surfaces.cli.client import path_of

    out = common.output()
    query: dict[str, str | int] = {"key": key, "held": int(held)}
    view = common.client().get(path_of("councils", council, "values"), CouncilDecisionView, query)
    out.show(view, lambda it: [["there is no such key" if it.value is None else value_text(it.value)]])
    out.next("foedus council log {}", council)


@app.command
def log(
    council: Council,
    /,
    *,
    after: Annotated[int, Parameter(help="Begin after this place.", validator=validators.Number(gte=0))] = 0,
    limit: Annotated[int, Parameter(help="Places to show.", validator=validators.Number(gte=1, lte=1000))] = 100,
    follow: Annotated[bool, Parameter(alias="-f", negative="", help="All after that place, and what is made.")] = False,
    common: Common = COMMON,
) -> None:
    """List what the council made, in its order."""
    from foedus.surfaces.cli.client import path_of

    out = common.output()
    if follow:
        for entry in _followed(common.client(), council, after):
            out.show(entry, lambda it: [[f"{place_text(it)}  {it.outcome}  {update_text(it)}"]])
        return
    query = {"after": after, "limit": limit}
    found = common.client().get(path_of("councils", council, "updates"), list[CouncilEntryView], query)
    if out.as_json or not found:
        out.show(found, lambda _: [["nothing was made there"]])
    else:
        out.table(["place", "outcome", "update"], ([place_text(it), it.outcome, update_text(it)] for it in found))
    out.next("foedus council proof {} PLACE > FILE", council)


def _followed(node: Client, council: str, after: int) -> Iterator[CouncilEntryView]:
    """Yield what was made after a place, then what is made, until the node ends."""
    from foedus.surfaces.cli.client import StreamLost, path_of

    cursor = str(after)
    while True:
        try:
            for followed in node.follow(path_of("councils", council, "events"), {}, cursor):
                yield msgspec.json.decode(followed.data, type=CouncilEntryView)
                cursor = followed.cursor
        except StreamLost:
            node.get(path_of("councils", council), CouncilView)  # raises NotRunning where the node has ended


@app.command
def proof(
    council: Council,
    place: Annotated[int, Parameter(help="Its place, as `foedus council log` shows it.")],
    position: Annotated[int, Parameter(help="Its position in the batch there.")] = 0,
    /,
    *,
    common: Common = COMMON,
) -> None:
    """Write the proof of one update to stdout: a file that anybody can verify without a node."""
    from foedus.base.base64url import from_base64url
    from foedus.surfaces.cli.client import path_of

    query = {"sequence": place, "position": position}
    view = common.client().get(path_of("councils", council, "proof"), CouncilProofView, query)
    sys.stdout.buffer.write(from_base64url(view.proof, "the proof"))
    sys.stdout.buffer.flush()
    common.output().next("foedus council verify FILE")


@app.command
def verify(
    file: Annotated[Path, Parameter(metavar="FILE", help="A commit proof.")],
    /,
    *,
    council: Annotated[str, Parameter(help="The whole id of the council that it must be of.")] = "",
    seals: Annotated[bool, Parameter(negative="", help="Believe seals (ML-DSA-65), and no Ed25519 signature.")] = False,
    common: Common = COMMON,
) -> None:
    """Check a commit proof and say what it proves. Needs no node and no network; exit 1 where it proves nothing."""
    from foedus.base.ids import parse_id
    from foedus.consensus import verify_commit_proof
    from foedus.consensus.proof import PROOF_BYTES_MAX

    out = common.output()
    with file.open("rb") as opened:
        data = opened.read(PROOF_BYTES_MAX + 1)
    proved = verify_commit_proof(data, parse_id(council) if council else None, seals_only=seals)
    shown = {
        "council": proved.council.hex(),
        "name": proved.name,
        "epoch": proved.epoch,
        "place": proved.sequence,
        "update": proved.update.id.hex(),
        "author": proved.update.author,
        "signers": [node.hex() for node in proved.signers],
        "members": [node.hex() for node in proved.members],
        "sealed_by": [node.hex() for node in proved.sealed_by],
    }
    out.show(
        shown, lambda _: [[(TICK, "bold green"), proved_text(proved)], *pairs([("council", proved.council.hex())])]
    )
    out.next("foedus council log NAME")
