"""Grants: what a person lets an agent do at other nodes, and how they take it back."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated

from cyclopts import App, Parameter, validators

from foedus.base.errors import UsageError
from foedus.surfaces.cli.options import COMMON, Common, PassphraseFile, Yes
from foedus.surfaces.cli.output import Line, pairs
from foedus.surfaces.cli.prompts import confirm
from foedus.surfaces.cli.text import named, short, when
from foedus.values.consent import GrantView, LinkView
from foedus.values.node import ParticipantView, PeerView, Placed
from foedus.values.rooms import RoomView

if TYPE_CHECKING:
    from foedus.surfaces.cli.client import Client
    from foedus.surfaces.cli.delegating import Scope
    from foedus.surfaces.cli.persons import Person

app = App(name="grant", help="Grants: let an agent act at other nodes in a person's name, and take that back.")

As = Annotated[
    str, Parameter(name="--as", metavar="NAME", help="The person who signs. Needed where this node has several.")
]
Expires = Annotated[str, Parameter(show_default=True, help="How long it lasts: 12h, 30d; a year at most.")]
Uses = Annotated[
    int,
    Parameter(validator=validators.Number(gte=0, lte=10_000), help="How many acts in an hour; 0: as many as it likes."),
]
AfterForeign = Annotated[
    bool,
    Parameter(negative="", help="It still counts after the agent has read what other nodes' people and agents wrote."),
]


@app.command
def create(  # noqa: PLR0913  # each limit of a grant is an option of its own
    agent: Annotated[str, Parameter(help="The agent that may: its name or DID.")],
    /,
    *,
    command: Annotated[
        str, Parameter(show_default=True, help="What it may do: a command of docs/terms.md.")
    ] = "/foedus/room/speak",
    room: Annotated[list[str] | None, Parameter(negative="", help="Only in this room; may be repeated.")] = None,
    peer: Annotated[
        list[str] | None,
        Parameter(negative="", help="Only in rooms that this peer hosts, or to this peer; may be repeated."),
    ] = None,
    domain: Annotated[
        list[str] | None, Parameter(negative="", help="Only in this domain of knowledge; may be repeated.")
    ] = None,
    capability: Annotated[
        list[str] | None, Parameter(negative="", help="Only calls of this capability; may be repeated.")
    ] = None,
    expires: Expires = "30d",
    uses: Uses = 0,
    after_foreign: AfterForeign = False,
    as_: As = "",
    passphrase_file: PassphraseFile = None,
    common: Common = COMMON,
) -> None:
    """Let an agent act across the border in your name: your device signs the grant, and other nodes check it."""
    from foedus.surfaces.cli.delegating import Scope, command_meant, duration

    out = common.output()
    command = command_meant(command)
    node = common.client()
    rooms = [_room(node, name) for name in room or []]
    hosts = [_peer(node, name) for name in peer or []]
    scope = Scope(command, rooms, hosts, "", duration(expires), uses, after_foreign, domain or [], capability or [])
    granted = give(node, agent, scope, as_, passphrase_file)
    out.show(granted, grant_lines)
    out.next(f"foedus grant revoke {granted.id[:12]}")


def give(node: Client, agent: str, scope: Scope, as_: str, file: PassphraseFile) -> GrantView:
    """Sign a grant to each device in force of an agent; return the last."""
    from foedus.surfaces.cli.client import path_of
    from foedus.surfaces.cli.participants import find_one

    everyone = node.get("/participants", list[ParticipantView])
    local = [who for who in everyone if who.is_local]
    audience = find_one(local, agent, " of this node")
    devices = [device for device in audience.devices if not device.revoked]
    if not devices:
        raise UsageError(f"{audience.name} has no device in force", code="no_device", remedy="enrol one first")
    person = _person(local, as_, file)
    if audience.did == person.did:
        raise UsageError(f"{audience.name} needs no grant of their own", code="own_grant", remedy="name an agent")
    placed = [person.give(node, _did(device.key), scope) for device in devices]
    return node.get(path_of("grants", placed[-1].id), GrantView)


def _person(local: list[ParticipantView], name: str, file: PassphraseFile) -> Person:
    from foedus.surfaces.cli.persons import person

    return person(local, name, file)


def _did(key: str) -> str:
    from foedus.base.ids import parse_id
    from foedus.identity.did import did_of

    return did_of(parse_id(key))


def _room(node: Client, name: str) -> str:
    from foedus.surfaces.cli.client import path_of

    return node.get(path_of("rooms", name), RoomView).room


def _peer(node: Client, name: str) -> str:
    from foedus.base.ids import parse_id
    from foedus.node.lookup import Known, find_to_give

    book = node.get("/peers", list[PeerView])
    known = (Known(parse_id(it.node), it.known_as, it.name, it.state == "connected") for it in book)
    return find_to_give(name, known).hex()


@app.command(name="list")
def list_(*, common: Common = COMMON) -> None:
    """List what this node's people granted, newest first."""
    out = common.output()
    found = common.client().get("/grants", list[GrantView])
    if out.as_json or not found:
        out.show(found, lambda _: [["nobody granted anything yet"]])
    else:
        rows = (
            [short(view.id), who(view.issuer), who(view.audience), view.command, _until(view), _state(view)]
            for view in found
        )
        out.table(["grant", "by", "to", "may", "until", ""], rows)
    out.next("foedus grant show GRANT" if found else "foedus grant create AGENT --as NAME")


@app.command
def show(
    grant: Annotated[str, Parameter(help="The event's id, its first digits (8 or more), or the CID.")],
    /,
    *,
    common: Common = COMMON,
) -> None:
    """Show one grant: who lets whom do what, where and until when."""
    from foedus.surfaces.cli.client import path_of

    out = common.output()
    out.show(common.client().get(path_of("grants", grant), GrantView), grant_lines)
    out.next("foedus grant revoke {}", grant)


@app.command
def revoke(
    grant: Annotated[str, Parameter(help="The event's id, its first digits (8 or more), or the CID.")],
    /,
    *,
    as_: As = "",
    passphrase_file: PassphraseFile = None,
    yes: Yes = False,
    common: Common = COMMON,
) -> None:
    """Take a grant back, for good. What was done under it until now stands; later acts are rejected everywhere."""
    from foedus.surfaces.cli.client import path_of

    out = common.output()
    node = common.client()
    view = node.get(path_of("grants", grant), GrantView)
    if view.state == "revoked":
        raise UsageError("this grant is revoked already", code="already_revoked", remedy="see `foedus grant list`")
    confirm(f"Take back what {who(view.issuer)} granted to {who(view.audience)} ({view.command})?", yes=yes)
    local = [who for who in node.get("/participants", list[ParticipantView]) if who.is_local]
    person = _person(local, as_ or view.issuer.participant, passphrase_file)
    cuts = node.get(path_of("grants", view.id, "cuts"), list[tuple[str, int, str]])
    placed: Placed = person.take_back(node, view.cid, cuts)
    out.show(placed, lambda _: [[f"revoked by event {placed.id}"]])
    out.next("foedus grant list")


def who(link: LinkView) -> str:
    """Return who stands at one end of a grant, by the name known here."""
    return named(link.known_as, link.name)


def _place(name: str, room: str) -> str:
    return f"{name} ({short(room)})" if name else short(room)


def _uses(view: GrantView) -> str:
    if view.one_act:
        return "this one act"
    return f"{view.uses_per_hour} an hour" if view.uses_per_hour else "as many as it likes"


def _until(view: GrantView) -> str:
    return "for ever" if view.expires is None else when(view.expires * 1_000_000)


def _state(view: GrantView) -> str:
    return ", ".join(
        part for part in (view.state.replace("_", " "), "for one act" if view.one_act else "") if part != "in force"
    )


def grant_lines(view: GrantView) -> Iterable[Line]:
    """Return who lets whom do what, where and until when."""
    return pairs(
        [
            ("grant", view.id),
            ("CID", view.cid),
            ("by", f"{who(view.issuer)} ({view.issuer.kind}), {view.issuer.did}"),
            ("to", f"{who(view.audience)} ({view.audience.kind}), {view.audience.did}"),
            ("may", (view.command, "bold")),
            ("rooms", ", ".join(map(_place, view.room_names, view.rooms)) or "all"),
            ("domains", ", ".join(view.domains) or "all"),
            ("capabilities", ", ".join(view.capabilities) or "all"),
            *([("councils", ", ".join(map(_place, view.council_names, view.councils)))] if view.councils else []),
            ("hosts", ", ".join(map(named, view.hosts_known_as, view.host_names, view.hosts)) or "all"),
            ("uses", _uses(view)),
            ("after reading strangers", "yes" if view.after_foreign or view.one_act else "no"),
            ("until", _until(view)),
            ("state", view.state.replace("_", " ")),
        ],
    )
