"""What is agreed with a peer: propose another version, read it, sign it, end it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import App, Parameter

from foedus.base.errors import NotFound, UsageError
from foedus.surfaces.cli.agreement_terms import TERMS, TermOptions, terms_of
from foedus.surfaces.cli.options import COMMON, Common, PassphraseFile, Peer, Yes
from foedus.surfaces.cli.output import Line, Output, pairs
from foedus.surfaces.cli.prompts import confirm
from foedus.surfaces.cli.text import DASH, short, when
from foedus.values.agreements import AgreementView, ChangeView, DraftView, VersionView
from foedus.values.node import ParticipantView

if TYPE_CHECKING:
    from foedus.surfaces.cli.client import Client

app = App(name="agreement", help="What is agreed with a peer: propose, read, sign, end.")

_WHO = {"us": " (us)", "them": " (them)", "": ""}
Proposal = Annotated[str, Parameter(help="The proposal: its id or first digits; not needed where only one waits.")]


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Approval:
    """Who approves an act."""

    as_: Annotated[
        str,
        Parameter(name="--as", metavar="NAME", help="The person who approves it, with a key in this device folder."),
    ] = ""
    passphrase_file: PassphraseFile = None
    yes: Yes = False


APPROVAL = Approval()


@app.command
def show(peer: Peer, /, *, common: Common = COMMON) -> None:
    """Show what is in force with a peer, clause by clause, and what is proposed."""
    out = common.output()
    found = _get(common.client(), peer)
    out.show(found, agreement_lines)
    if found.in_force.state == "ended":
        out.next("foedus peer request URL")
    else:
        out.next(f"foedus agreement {'diff' if found.proposals else 'propose'} {short(found.peer)}")


@app.command
def propose(
    peer: Peer,
    /,
    *,
    terms: TermOptions = TERMS,
    approval: Approval = APPROVAL,
    common: Common = COMMON,
) -> None:
    """Propose another version to a peer. Shows what changes first, and asks."""
    _offer(_Wish(common.output(), common.client(), approval), peer, terms, "")


@app.command
def counter(
    peer: Peer,
    agreement: Proposal = "",
    /,
    *,
    terms: TermOptions = TERMS,
    approval: Approval = APPROVAL,
    common: Common = COMMON,
) -> None:
    """Answer the peer's proposal with one of your own, made from what is in force."""
    wish = _Wish(common.output(), common.client(), approval)
    _offer(wish, peer, terms, _waiting(_get(wish.node, peer), agreement).id)


@app.command
def sign(
    peer: Peer,
    agreement: Proposal = "",
    /,
    *,
    approval: Approval = APPROVAL,
    common: Common = COMMON,
) -> None:
    """Sign the peer's proposal. Shows what changes first, and asks."""
    wish = _Wish(common.output(), common.client(), approval)
    found = _get(wish.node, peer)
    proposal = _waiting(found, agreement)
    _tell(wish.out, f"{found.peer_name} ({found.peer}) proposes version {proposal.version}:", proposal.changes)
    confirm("Sign it? It then comes in force.", yes=wish.approval.yes)
    body = {"agreement": proposal.id, "human": wish.word(proposal.document, proposal.id, found.signers)}
    _act(wish.out, wish.node, found.peer, "sign", body)


@app.command
def decline(
    peer: Peer,
    agreement: Proposal = "",
    /,
    *,
    common: Common = COMMON,
) -> None:
    """Say no to the peer's proposal. What is in force stays."""
    _act(common.output(), common.client(), peer, "decline", {"agreement": agreement})


@app.command
def withdraw(
    peer: Peer,
    agreement: Proposal = "",
    /,
    *,
    common: Common = COMMON,
) -> None:
    """Take back what you proposed or signed and is not yet in force."""
    _act(common.output(), common.client(), peer, "withdraw", {"agreement": agreement})


@app.command
def terminate(
    peer: Peer,
    /,
    *,
    reason: Annotated[str, Parameter(help="Told to the peer.")] = "",
    yes: Yes = False,
    common: Common = COMMON,
) -> None:
    """End the agreement, every version of it, and the connection with it. One side is enough."""
    out = common.output()
    node = common.client()
    found = _get(node, peer)
    confirm(f"End the agreement with {found.peer_name} ({found.peer})?", yes=yes)
    _act(out, node, found.peer, "terminate", {"reason": reason})


@app.command
def diff(
    peer: Peer,
    older: Annotated[str, Parameter(help="Id or number of a version. Default: what is in force.")] = "",
    newer: Annotated[str, Parameter(help="Id or number of a version. Default: what waits.")] = "",
    /,
    *,
    common: Common = COMMON,
) -> None:
    """Show what changes from one version or proposal to another, in plain words."""
    from foedus.surfaces.cli.client import path_of

    out = common.output()
    node = common.client()
    query = {"older": older, "newer": newer}
    out.show(node.get(path_of("agreements", peer, "diff"), list[ChangeView], query), _change_lines)
    may_sign = not (older or newer) and _get(node, peer).waits_for_us
    out.next(f"foedus agreement {'sign' if may_sign else 'history'} {{}}", peer)


@app.command
def history(peer: Peer, /, *, common: Common = COMMON) -> None:
    """List every version and proposal of a connection."""
    from foedus.surfaces.cli.client import path_of

    out = common.output()
    found = common.client().get(path_of("agreements", peer, "history"), list[VersionView])
    if out.as_json:
        out.show(found, lambda _: [])
    else:
        rows = ([str(it.version), short(it.id), it.state, _by(it), when(it.at), _clauses(it)] for it in found)
        out.table(["version", "id", "state", "proposed by", "at", "changes"], rows)
    out.next(f"foedus agreement diff {peer} OLDER NEWER")


# --- doing ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Wish:
    """Who wishes something, and where it is shown."""

    out: Output
    node: Client
    approval: Approval

    def word(self, document: str, named: str, signers: Sequence[str]) -> dict[str, str] | None:
        """Return the approval of the person given by --as: their device's signature of the very bytes."""
        if not self.approval.as_ and not signers:
            return None
        from foedus.base.base64url import from_base64url, to_base64url
        from foedus.crypto.labels import signed_bytes
        from foedus.surfaces.cli.devices import device_folder, enrolled, unlock
        from foedus.trust.agreements.document import agreement_id

        everyone = self.node.get("/participants", list[ParticipantView])
        who = _approver([it for it in everyone if it.is_local], self.approval.as_, signers)
        folder = device_folder()
        entry, device = enrolled(folder, who)
        data = from_base64url(document, "the document")
        if agreement_id(data).hex() != named:
            raise UsageError("the node gave another document than it named", code="bad_document", remedy="try again")
        signature = unlock(folder, entry, self.approval.passphrase_file).sign(signed_bytes("agreement", data))
        return {
            "did": who.did,
            "device": device.key,
            "signature": to_base64url(signature),
        }


def _approver(local: list[ParticipantView], name: str, signers: Sequence[str]) -> ParticipantView:
    """Return the person who approves: who is named by --as, else the only one who may; raise UsageError."""
    if name:
        from foedus.surfaces.cli.persons import human

        return human(local, name)
    able = [who for who in local if who.kind == "human" and who.did in signers]
    if len(able) != 1:
        names = ", ".join(sorted(who.name for who in able)) or "nobody of this node"
        raise UsageError(
            f"who approves it? The agreement in force names {names}", code="signer_needed", remedy="add --as NAME"
        )
    return able[0]


def _offer(wish: _Wish, peer: str, options: TermOptions, answers: str) -> None:
    from foedus.surfaces.cli.client import path_of

    found = _get(wish.node, peer)
    terms = terms_of(wish.node, options)
    drafted = wish.node.post(path_of("agreements", found.peer, "draft"), DraftView, terms)
    _tell(wish.out, f"To {found.peer_name} ({found.peer}):", drafted.changes)
    confirm("Propose this?", yes=wish.approval.yes)
    human = wish.word(drafted.document, drafted.id, drafted.signers)
    body = {"document": drafted.document, "answers": answers, "human": human}
    _act(wish.out, wish.node, found.peer, "propose", body)


def _act(out: Output, node: Client, peer: str, verb: str, body: dict[str, Any]) -> None:
    from foedus.surfaces.cli.client import path_of

    out.show(node.post(path_of("agreements", peer, verb), AgreementView, body), agreement_lines)
    out.next("foedus peer list" if verb == "terminate" else f"foedus agreement history {short(peer)}")


def _get(node: Client, peer: str) -> AgreementView:
    from foedus.surfaces.cli.client import path_of

    return node.get(path_of("agreements", peer), AgreementView)


def _waiting(found: AgreementView, wanted: str) -> VersionView:
    """Return the proposal of the peer that is meant; raise NotFound or UsageError."""
    able = [it for it in found.proposals if it.id in found.waits_for_us and it.id.startswith(wanted)]
    if not able:
        raise NotFound("no such proposal of the peer waits", code="no_proposal", remedy="see `foedus agreement show`")
    if len(able) > 1:
        names = ", ".join(short(it.id) for it in able)
        raise UsageError(f"which proposal? There are {names}", code="ambiguous", remedy="give the id")
    return able[0]


# --- showing -------------------------------------------------------------------------------------


def agreement_lines(found: AgreementView) -> Iterable[Line]:
    """Return what is agreed with a peer: what is in force, its clauses, what waits."""
    yield from pairs(
        [
            ("peer", f"{found.peer_name} ({found.peer})"),
            ("version", f"{found.in_force.version} ({found.in_force.id})"),
            ("state", found.in_force.state),
            ("since", when(found.in_force.at)),
            *((f"{it.clause}{_WHO[it.about]}", it.words) for it in found.clauses),
        ]
    )
    for proposal in found.proposals:
        waits = "waits for you" if proposal.id in found.waits_for_us else _WAITS.get(proposal.state, proposal.state)
        yield []
        yield [(f"proposed by {_by(proposal)}, {waits}: ", "bold yellow"), proposal.id]
        yield from _change_lines(proposal.changes)


_WAITS = {"proposed": "waits for them", "signed": "signed; the last signature is on its way"}


def _tell(out: Output, heading: str, changes: Sequence[ChangeView]) -> None:
    if not out.as_json:
        out.words(heading)
        for line in _change_lines(changes):
            out.words("  ", *line)


def _change_lines(changes: Sequence[ChangeView]) -> Iterable[Line]:
    for change in changes:
        yield [(f"{change.clause}{_WHO[change.about]}: ", "bold"), change.before, (" becomes ", "dim"), change.after]
    if not changes:
        yield ["nothing changes"]


def _by(version: VersionView) -> str:
    if not version.by:
        return DASH
    return "us" if version.by_us else "them"


def _clauses(version: VersionView) -> str:
    return ", ".join(dict.fromkeys(change.clause for change in version.changes)) or DASH
