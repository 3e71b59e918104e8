"""Approvals: what an agent wants to do at another node, and a person's yes or no."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated

from cyclopts import App, Parameter

from foedus.base.errors import NotFound
from foedus.surfaces.cli.grants import AfterForeign, As, Expires, Uses, who
from foedus.surfaces.cli.options import COMMON, Common, PassphraseFile, Yes
from foedus.surfaces.cli.output import Line, Part, pairs
from foedus.surfaces.cli.prompts import confirm
from foedus.surfaces.cli.text import CROSS, named, paragraphs, short, when
from foedus.values.consent import ApprovalView
from foedus.values.node import ParticipantView

if TYPE_CHECKING:
    from foedus.surfaces.cli.delegating import Scope

app = App(name="approval", help="Approvals: acts of agents that wait for a person.")

Wanted = Annotated[str, Parameter(help="The approval's id or its first digits.")]


@app.command(name="list")
def list_(
    *,
    every: Annotated[bool, Parameter(name="--all", negative="", help="Also those that were decided.")] = False,
    common: Common = COMMON,
) -> None:
    """List the acts that wait for a person, oldest first."""
    out = common.output()
    found = [view for view in common.client().get("/approvals", list[ApprovalView]) if every or view.state == "waiting"]
    if out.as_json or not found:
        out.show(found, lambda _: [["nothing waits for a person"]])
    else:
        rows = ([view.id, who(view.agent), view.what, _where(view), view.state] for view in found)
        out.table(["approval", "agent", "wants to", "where", ""], rows)
    out.next("foedus approval show ID" if found else "foedus grant list")


@app.command
def show(approval: Wanted, /, *, common: Common = COMMON) -> None:
    """Show the whole act that waits: who, what, where, and until when."""
    out = common.output()
    out.show(_get(common, approval), approval_lines)
    out.next("foedus approval allow {} --as NAME", approval)


@app.command
def allow(  # noqa: PLR0913  # each limit of a standing grant is an option of its own
    approval: Wanted,
    /,
    *,
    always: Annotated[
        bool,
        Parameter(
            negative="",
            help="Not just this act: a standing grant for acts like it, with the limits below.",
        ),
    ] = False,
    expires: Expires = "30d",
    uses: Uses = 60,
    after_foreign: AfterForeign = False,
    as_: As = "",
    passphrase_file: PassphraseFile = None,
    yes: Yes = False,
    common: Common = COMMON,
) -> None:
    """Allow an act: your device signs a grant for exactly this act, or with --always a standing one."""
    from foedus.surfaces.cli.client import path_of
    from foedus.surfaces.cli.delegating import Scope, duration
    from foedus.surfaces.cli.persons import person

    out = common.output()
    node = common.client(passphrase_file)
    view = _get(common, approval)
    if not yes and not out.as_json:
        out.show(view, approval_lines)
    confirm(f"Allow {who(view.agent)} to {view.what}{', from now on' if always else ''}?", yes=yes)
    local = [who for who in node.get("/participants", list[ParticipantView]) if who.is_local]
    signer = person(local, as_ or node.speaker(), passphrase_file)
    if always:
        scope = like(view)._replace(lasts=duration(expires), uses=uses, after_foreign=after_foreign)
    else:
        scope = Scope(view.command, [view.room], digest=view.digest, lasts=duration("10min"))
    act = signer.signed_grant(node, view.agent.did, scope)
    body = {"did": signer.did, "act": act.act, "asig": act.asig, "salt": act.salt, "body": act.body}
    decided = node.post(path_of("approvals", view.id, "allow"), ApprovalView, body)
    out.show(decided, lambda _: [[_outcome(decided)]])
    out.next("foedus grant list")


@app.command
def deny(
    approval: Wanted,
    /,
    *,
    reason: Annotated[str, Parameter(help="Why not; the agent is told.")] = "",
    as_: As = "",
    common: Common = COMMON,
) -> None:
    """Say no to an act."""
    from foedus.surfaces.cli.client import path_of
    from foedus.surfaces.cli.participants import find_one

    out = common.output()
    node = common.client()
    did = find_one(node.get("/participants", list[ParticipantView]), as_).did if as_ else ""
    body = {"did": did, "reason": reason}
    decided = node.post(path_of("approvals", _get(common, approval).id, "deny"), ApprovalView, body)
    out.show(decided, lambda _: [[_outcome(decided)]])
    out.next("foedus approval list")


def _get(common: Common, approval: str) -> ApprovalView:
    from foedus.surfaces.cli.client import path_of

    if not approval:
        raise NotFound("which approval?", code="unknown_approval", remedy="see `foedus approval list`")
    return common.client().get(path_of("approvals", approval), ApprovalView)


def _where(view: ApprovalView) -> Part:
    names = zip(view.hosts_known_as, view.host_names, strict=True)
    at = ", ".join(named(known_as, name) for known_as, name in names) or named(view.host_known_as, view.host_name)
    if "council" in view.arguments:
        return f"council {named('', view.council_name, view.arguments['council'])}"
    where = f"{view.room_name or view.arguments.get('domain', '')} at {at}".lstrip()
    if view.host_looks_like:
        return (f"{where} {CROSS} looks like {', '.join(view.host_looks_like)}", "bold yellow")
    return where


def like(view: ApprovalView) -> Scope:
    """Return the scope of acts like one: in its room or council, about its domain, of its capability at its node."""
    from foedus.surfaces.cli.delegating import Scope

    about = view.arguments
    scope = Scope(view.command, [view.room], domains=[about.get("domain", "")], councils=[about.get("council", "")])
    if "capability" not in about:
        return scope
    return scope._replace(hosts=[about["host"]], capabilities=[about["capability"]])


def _reaches(view: ApprovalView) -> tuple[str, Part]:
    if "council" in view.arguments:
        return "council", named("", view.council_name, view.arguments["council"])
    return "host", named(view.host_known_as, view.host_name, view.arguments.get("host", ""))


def _also(view: ApprovalView) -> str:
    return ", ".join(map(named, view.hosts_known_as[1:], view.host_names[1:], view.hosts[1:]))


def _outcome(view: ApprovalView) -> str:
    if view.state == "done":
        return f"done: {'call' if view.kind == 'agent.call' else 'event'} {view.event}"
    if view.state == "waiting":
        return f"allowed by {len(view.humans)} of {view.needed}; it waits for the others"
    if view.state == "allowed":
        return f"allowed: {view.agent.name} has a key of its own, and does it again or waits for this with --wait"
    return f"{view.state}{': ' + view.reason if view.reason else ''}"


def approval_lines(view: ApprovalView) -> Iterable[Line]:
    """Return the canonical act: who, what, where, until when."""
    yield from pairs(
        [
            ("approval", view.id),
            ("agent", f"{who(view.agent)}, {view.agent.did}"),
            ("wants to", (view.what, "bold")),
            ("command", view.command),
            *([("room", f"{view.room_name} ({short(view.room)})")] if view.room else []),
            *([("domain", view.arguments["domain"])] if "domain" in view.arguments else []),
            *([("capability", view.arguments["capability"])] if "capability" in view.arguments else []),
            _reaches(view),
            *([("also at", _also(view))] if view.hosts[1:] else []),
            *([("looks like", (", ".join(view.host_looks_like), "bold yellow"))] if view.host_looks_like else []),
            ("digest", view.digest),
            ("why asked", view.clause),
            ("asked", when(view.asked_at)),
            ("until", when(view.until)),
            ("state", view.state),
        ],
    )
    for line in paragraphs(view.text or ""):
        yield [f"  {line}"]
