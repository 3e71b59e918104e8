"""Other nodes: ask, answer, set terms, end."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Annotated

from cyclopts import App, Parameter, validators

from foedus.base.errors import UsageError
from foedus.surfaces.cli.options import COMMON, Common, Peer, PolicyTier, Tier, Yes
from foedus.surfaces.cli.output import Line, Output, Part, pairs
from foedus.surfaces.cli.prompts import confirm
from foedus.surfaces.cli.text import CROSS, DASH, millionths, named, short, when
from foedus.values.node import NearbyView, PeerView, ProbeView

if TYPE_CHECKING:
    from foedus.surfaces.cli.client import Client

_SECONDS = validators.Number(gte=0.1, lte=10)
app = App(name="peer", help="Other nodes: ask, answer, set terms, end.")


class WrongNode(UsageError):
    """At the address answers another node than the one that was expected."""

    code = "wrong_node"
    http_status = 409
    remedy = "ask the other side for its id (`foedus id`) and its address, by a way that you trust"


@app.command
def request(
    url: Annotated[str, Parameter(help="The address of the other node, such as https://node.example:8102")],
    /,
    *,
    expect: Annotated[
        str, Parameter(help="The whole id that the other side told you. Refuses any other node, and asks no more.")
    ] = "",
    note: Annotated[str, Parameter(help="A line for the person who decides there.")] = "",
    tier: Tier = "CORE",
    yes: Yes = False,
    common: Common = COMMON,
) -> None:
    """Ask the node at URL for a connection. Shows whose it is first, and asks."""
    out = common.output()
    node = common.client()
    found = node.post("/peers/probe", ProbeView, {"url": url})
    if expect and expect != found.node:
        raise WrongNode(f"{url} is {found.node}, not {expect}")
    if not out.as_json:
        _introduce(out, f"At {url} answers", found)
    confirm("Is this the node you mean? Compare the whole id.", yes=yes or bool(expect), flag="--yes or --expect ID")
    vouched = "" if yes and not expect else found.node  # whoever compared nothing is asked again later
    asked = node.post("/peers/request", PeerView, {"url": url, "expect": vouched, "note": note, "tier": tier})
    out.show(asked, peer_lines)
    following = f"foedus peer {'show' if vouched else 'confirm'} {short(asked.node)}"
    out.next(f"{following}   (once a human there has answered)")


@app.command
def browse(
    *,
    seconds: Annotated[float, Parameter(validator=_SECONDS, show_default=True, help="How long to listen.")] = 2.0,
    common: Common = COMMON,
) -> None:
    """List the nodes that say on this network to be there. All of it are claims; nothing is connected to."""
    out = common.output()
    query = {"wait": int(seconds * 1_000)}
    seen = common.client().get("/peers/nearby", NearbyView, query)
    out.show(seen, _nearby_lines)
    out.next("foedus peer request URL   (it proves who is there, and asks first)")


def _nearby_lines(seen: NearbyView) -> Iterable[Line]:
    for node in seen.nodes:
        shown = named(node.known_as, node.name)
        yield [(shown, "bold"), "  ", node.node, f"  {node.state}" if node.state else ""]
        yield ["  ", "  ".join(node.urls)]
        if node.looks_like:
            yield [("  looks like a name that you gave: ", "bold yellow"), ", ".join(node.looks_like)]
    if not seen.nodes:
        yield [f"nobody says to be there, at the interface {seen.interface}"]
    if not seen.announced:
        yield [("this node is not announced: `announce` under [discovery] in foedus.toml", "dim")]


@app.command(name="confirm")
def confirm_(peer: Peer, /, *, yes: Yes = False, common: Common = COMMON) -> None:
    """Confirm that a node which you asked is the one you meant. Until then nothing flows, where foedus.toml says so."""
    out = common.output()
    node = common.client()
    found = _shown_request(node, out, peer)
    confirm("Is this the node you mean? Compare the whole id.", yes=yes)
    out.show(node.post(f"/peers/{found.node}/confirm", PeerView), peer_lines)
    out.next("foedus peer list")


def _introduce(out: Output, heading: str, found: ProbeView) -> None:
    out.words(heading)
    facts = [("id", found.node), ("calls itself", found.name), ("DID", found.did)]
    for line in pairs([*facts, *(("address", url) for url in found.endpoints)]):
        out.words("  ", *line)


@app.command
def pending(*, common: Common = COMMON) -> None:
    """List the requests that wait for you."""
    out = common.output()
    waiting = common.client().get("/peers/pending", list[PeerView])
    out.show(waiting, _pending_lines)
    out.next(f"foedus peer accept {short(waiting[0].node)}" if waiting else "foedus peer list")


def _pending_lines(waiting: list[PeerView]) -> Iterable[Line]:
    for place, peer in enumerate(waiting):
        if place:
            yield []
        yield from request_lines(peer)
    if not waiting:
        yield ["no request waits"]


def request_lines(peer: PeerView) -> Iterable[Line]:
    """Return what a person needs to decide: the whole id first, then what the other side claims."""
    yield from pairs(
        [
            ("id", (peer.node, "bold")),
            *([("name", (peer.known_as, "bold"))] if peer.known_as else []),
            ("calls itself", peer.name),
            ("note", peer.note or DASH),
            ("address", ", ".join(dict.fromkeys([peer.url, *peer.endpoints])).strip(", ") or DASH),
            ("came from", peer.address or DASH),
            ("asked at", when(peer.requested_at)),
        ]
    )
    if peer.name_clash:
        yield [("a peer you know uses this name, or one like it: ", "bold yellow"), ", ".join(peer.name_clash)]
    if peer.looks_like and not peer.known_as:
        yield [("looks like a name that you gave: ", "bold yellow"), ", ".join(peer.looks_like)]


@app.command
def accept(peer: Peer, /, *, tier: PolicyTier = None, yes: Yes = False, common: Common = COMMON) -> None:
    """Accept a request: shows the whole id, the claimed name, note, address and time, and asks."""
    from foedus.adapters.policy_file import read_policy

    out = common.output()
    node = common.client()
    asking = _shown_request(node, out, peer)
    tier = tier or read_policy(common.folder().policy_path).policy.policy.default_tier
    confirm(f"Accept it as {tier}? This signs an agreement with it.", yes=yes)
    accepted = node.post(f"/peers/{asking.node}/accept", PeerView, {"tier": tier})
    out.show(accepted, peer_lines)
    out.next(f"foedus room share ROOM {short(accepted.node)}")


@app.command
def decline(peer: Peer, /, *, common: Common = COMMON) -> None:
    """Decline a request. The other side is told."""
    _act(common, peer, "decline", "foedus peer pending")


@app.command
def ignore(peer: Peer, /, *, yes: Yes = False, common: Common = COMMON) -> None:
    """Ignore a node for good. It is not told, and its further requests are not shown."""
    out = common.output()
    node = common.client()
    asking = _shown_request(node, out, peer)
    confirm("Ignore this node for good?", yes=yes)
    out.show(node.post(f"/peers/{asking.node}/ignore", PeerView), peer_lines)
    out.next("foedus peer pending")


def _shown_request(node: Client, out: Output, peer: str) -> PeerView:
    """Show whose request it is, and return it: what is decided then is about this whole id."""
    asking = _get(node, peer)
    if not out.as_json:
        for line in request_lines(asking):
            out.words(*line)
    return asking


@app.command
def trust(
    key: Annotated[
        str,
        Parameter(help="The other node's id, its Ed25519 key in hex, or its did:key, as `foedus id` there shows them."),
    ],
    /,
    *,
    tier: Annotated[Tier, Parameter(required=True)],
    common: Common = COMMON,
) -> None:
    """Accept a node by its key, without being asked when it comes."""
    out = common.output()
    common.client().tell("POST", "/trust", {"key": key, "tier": tier})
    out.show({"key": key, "tier": tier}, lambda _: [[f"trusted as {tier}: {key}"]])
    out.next("foedus peer list")


@app.command
def untrust(
    key: Annotated[str, Parameter(help="As it was given to `foedus peer trust`.")], /, *, common: Common = COMMON
) -> None:
    """Ask again before a node with this key is accepted. A connection that stands goes on."""
    out = common.output()
    common.client().tell("DELETE", "/trust", query={"key": key})
    out.show({"key": key, "tier": None}, lambda _: [[f"no longer trusted: {key}"]])
    out.next("foedus peer list")


@app.command(name="list")
def list_(*, common: Common = COMMON) -> None:
    """List all nodes that this one knows."""
    out = common.output()
    peers = common.client().get("/peers", list[PeerView])
    if out.as_json or not peers:
        out.show(peers, lambda _: [["no peers yet"]])
    else:
        peer_table(out, peers)
    out.next("foedus peer show ID" if peers else "foedus peer request URL")


@app.command
def show(peer: Peer, /, *, common: Common = COMMON) -> None:
    """Show all that this node knows of another."""
    out = common.output()
    found = _get(common.client(), peer)
    out.show(found, lambda peer: [*peer_lines(peer), *reputation_lines(peer)])
    out.next(f"foedus peer follow {short(found.node)}" if found.held_epoch else "foedus room list")


def reputation_lines(peer: PeerView) -> Iterable[Line]:
    """Return a peer's reputation, and the rows of the audit log that it follows from."""
    from foedus.trust.reputation import GRANTS_STOP

    yield [("reputation  ", "dim"), (millionths(peer.reputation), "red" if peer.reputation < GRANTS_STOP else "")]
    for each in peer.evidence:
        times = f", {each.times} times" if each.times > 1 else ""
        yield [f"  -{millionths(each.points)}  {each.kind}{times}, {when(each.at)}  ", (f"audit row {each.row}", "dim")]


@app.command(name="tier")
def set_tier(peer: Peer, tier: Tier, /, *, common: Common = COMMON) -> None:
    """Change what this node gives to a peer. It is told."""
    _act(common, peer, "tier", "foedus peer list", {"tier": tier})


@app.command
def pause(peer: Peer, /, *, common: Common = COMMON) -> None:
    """Send and take nothing for a while. The agreement stands."""
    _act(common, peer, "pause", "foedus peer resume ID")


@app.command
def resume(peer: Peer, /, *, common: Common = COMMON) -> None:
    """End a pause, and catch up."""
    _act(common, peer, "resume", "foedus status")


@app.command
def disconnect(peer: Peer, /, *, yes: Yes = False, common: Common = COMMON) -> None:
    """End the connection and its agreement. Nothing more flows; the peer keeps what it has."""
    out = common.output()
    node = common.client()
    found = _get(node, peer)
    confirm(f"End the connection to {named(found.known_as, found.name)} ({found.node})?", yes=yes)
    out.show(node.delete(f"/peers/{found.node}", PeerView), peer_lines)
    out.next("foedus peer list")


@app.command
def follow(peer: Peer, /, *, yes: Yes = False, common: Common = COMMON) -> None:
    """Follow a peer into a new epoch that waits for a person: it changed its keys oftener than once a day."""
    out = common.output()
    node = common.client()
    found = _get(node, peer)
    if not found.held_epoch:
        raise UsageError(
            f"no new epoch of {named(found.known_as, found.name)} waits",
            code="nothing_to_follow",
            remedy="see `foedus status`",
        )
    who = f"{named(found.known_as, found.name)} ({found.node})"
    confirm(f"Follow {who} into epoch {found.held_epoch}? Ask its people first.", yes=yes)
    out.show(node.post(f"/peers/{found.node}/follow", PeerView), peer_lines)
    out.next("foedus status")


def _act(common: Common, peer: str, verb: str, following: str, body: dict[str, str] | None = None) -> None:
    """Do what needs no question, show the peer, and name the next command."""
    from foedus.surfaces.cli.client import path_of

    out = common.output()
    out.show(common.client().post(path_of("peers", peer, verb), PeerView, body), peer_lines)
    out.next(following)


def _get(node: Client, peer: str) -> PeerView:
    from foedus.surfaces.cli.client import path_of

    return node.get(path_of("peers", peer), PeerView)


def peer_table(out: Output, peers: Sequence[PeerView]) -> None:
    """Print a row for each peer."""
    rows = ([_name(peer), short(peer.node), *_state_cells(peer)] for peer in peers)
    out.table(["peer", "id", "state", "gives", "gets", "link", "lag", "last seen"], rows)


def _name(peer: PeerView) -> Part:
    shown = named(peer.known_as, peer.name)
    if not peer.known_as and (alike := [*peer.looks_like, *map(short, peer.name_clash)]):
        return (f"{shown} {CROSS} looks like {', '.join(alike)}", "bold yellow")
    return shown


def _state_cells(peer: PeerView) -> list[Part]:
    connected = peer.state == "connected"
    broken = connected and peer.link == "none" and not peer.paused
    state: Part = ("paused", "yellow") if peer.paused else (peer.state, "green" if connected and not broken else "")
    link: Part = (f"none ({peer.link_error})", "red") if broken else peer.link
    return [state, peer.tier, peer.their_tier or DASH, link, str(peer.lag), when(peer.last_seen)]


def peer_lines(peer: PeerView) -> Iterable[Line]:
    """Return all that is known of a peer."""
    refused = ", ".join(f"{reason} {count}" for reason, count in sorted(peer.refused.items()))
    clock = DASH if peer.clock_offset_us is None else f"{peer.clock_offset_us / 1000:+.1f} ms from ours"
    yield from request_lines(peer)
    yield from pairs(
        [
            ("state", f"{peer.state}, paused" if peer.paused else peer.state),
            ("tiers", f"gives {peer.tier}, gets {peer.their_tier or DASH}"),
            ("link", f"{peer.link} ({peer.link_error})" if peer.link_error else peer.link),
            ("connected", when(peer.connected_at)),
            ("last seen", when(peer.last_seen)),
            ("events", f"{peer.sent} sent, {peer.received} received, {peer.lag} not yet acknowledged"),
            ("refused", refused or "nothing"),
            ("clock", clock),
            ("epoch", f"{peer.epoch_number} ({peer.epoch})" if peer.epoch else DASH),
        ]
    )
    if peer.held_epoch:
        yield [("a new epoch waits for you: ", "bold yellow"), peer.held_epoch]
