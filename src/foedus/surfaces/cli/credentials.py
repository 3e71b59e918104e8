"""Credentials: who vouches for what. Issue, hold, present, verify, revoke, and whom to believe."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeAlias

from cyclopts import App, Parameter, validators

from foedus.base.errors import UsageError
from foedus.surfaces.cli.options import COMMON, Common, PassphraseFile, Yes
from foedus.surfaces.cli.output import Line, pairs
from foedus.surfaces.cli.prompts import confirm, read_text
from foedus.surfaces.cli.text import CROSS, DASH, TICK, named, short, when
from foedus.values.credentials import BeliefView, ChallengeView, CredentialView, DocumentView, ProvenView, VerifiedView
from foedus.values.node import ParticipantView

if TYPE_CHECKING:
    from foedus.identity.credentials.document import Document
    from foedus.surfaces.cli.client import Client

app = App(
    name="credential",
    help="Credentials (W3C VC 2.0): issue, hold, present, verify, revoke, and whom this node believes.",
)

Credential: TypeAlias = Annotated[str, Parameter(help="The credential's key, its first digits (8 or more), or its id.")]
Who: TypeAlias = Annotated[str, Parameter(help="A participant or peer: its name, id or DID.")]
Type: TypeAlias = Annotated[str, Parameter(name="TYPE", help="The kind of claim: one word, such as Employee.")]
Given: TypeAlias = Annotated[Path, Parameter(allow_leading_hyphen=True, help="Its file ('-': standard input).")]
As: TypeAlias = Annotated[
    str, Parameter(name="--as", metavar="NAME", help="The local participant who signs. Without it the node does.")
]
Days: TypeAlias = Annotated[
    int,
    Parameter(
        validator=validators.Number(gte=0, lte=36_500), show_default=True, help="Valid for so long; 0: until revoked."
    ),
]


@app.command
def issue(  # noqa: PLR0913  # each is an option of the command line
    subject: Who,
    type_: Type,
    /,
    *claims: Annotated[str, Parameter(help="What is claimed: NAME=VALUE, where VALUE is JSON or else text.")],
    as_: As = "",
    days: Days = 365,
    passphrase_file: PassphraseFile = None,
    yes: Yes = False,
    common: Common = COMMON,
) -> None:
    """Claim something of a participant or peer, signed. Prints the credential: give it to its subject."""
    said = dict(_claim(text) for text in claims)
    _issue(common, (subject, yes), type_, said, (as_, days, passphrase_file))


def vouch(  # noqa: PLR0913  # the same
    who: Who,
    text: Annotated[str, Parameter(help="Why, in a sentence.")] = "",
    /,
    *,
    as_: As = "",
    days: Days = 365,
    passphrase_file: PassphraseFile = None,
    yes: Yes = False,
    common: Common = COMMON,
) -> None:
    """Vouch for a participant or peer: issue a small credential of the type FoedusVouch."""
    from foedus.identity.credentials.credential import VOUCH

    _issue(common, (who, yes), VOUCH, {"statement": text} if text else {}, (as_, days, passphrase_file))


def _issue(
    common: Common, who: tuple[str, bool], kind: str, claims: Document, how: tuple[str, int, Path | None]
) -> None:
    from foedus.surfaces.cli.credential_signing import device_key, did_meant, end_of, issue_here

    name, days, file = how
    out = common.output()
    node = common.client()
    subject = did_meant(node, who[0], yes=who[1])
    if name:
        issued = issue_here(node, device_key(node, name, file), kind, subject, claims, days)
    else:
        body = {"type": kind, "subject": subject, "claims": json.dumps(claims), "valid_until": end_of(days)}
        issued = node.post("/credentials/issue", CredentialView, body)
    out.show(issued, lambda _: _document(issued.document))
    out.next(f"foedus credential revoke {short(issued.key)}   (to take it back)")


def _claim(text: str) -> tuple[str, object]:
    """Return name and value of NAME=VALUE; raise UsageError."""
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise UsageError(f"{text[:80]!r} is not NAME=VALUE", code="bad_claim", remedy="such as role=engineer")
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value


def _document(text: str) -> Iterable[Line]:
    return [[line] for line in text.rstrip("\n").split("\n")]


@app.command(name="list")
def list_(*, common: Common = COMMON) -> None:
    """List the credentials that were issued here, and those held here."""
    out = common.output()
    found = common.client().get("/credentials", list[CredentialView])
    if out.as_json or not found:
        out.show(found, lambda _: [["no credentials yet"]])
    else:
        out.table(["key", "", "type", "issuer", "subject", "until", ""], (_row(view) for view in found))
    out.next("foedus credential show KEY" if found else "foedus vouch WHO")


def _row(view: CredentialView) -> list[str]:
    issuer, subject = (_who(view.issuer_known_as, view.issuer), _who(view.subject_known_as, view.subject))
    revoked = "revoked" if view.revoked else ""
    return [short(view.key), view.role, " ".join(view.types), issuer, subject, when(view.valid_until), revoked]


def _who(known_as: str, did: str) -> str:
    return named(known_as, "", did) if did else DASH


@app.command
def show(credential: Credential, /, *, common: Common = COMMON) -> None:
    """Show a credential: its document where it is held here, for others to read."""
    from foedus.surfaces.cli.client import path_of

    out = common.output()
    view = common.client().get(path_of("credentials", credential), CredentialView)
    out.show(view, lambda _: _document(view.document) if view.document else _proven(view))
    out.next(f"foedus credential present {short(view.key)} --challenge TEXT --domain ID")


@app.command
def hold(file: Given, /, *, common: Common = COMMON) -> None:
    """Keep a credential here, so that its subject can present it."""
    out = common.output()
    view = common.client().post("/credentials", CredentialView, {"document": read_text(file)})
    out.show(view, _proven)
    out.next(f"foedus credential present {short(view.key)} --challenge TEXT --domain ID")


@app.command
def forget(credential: Credential, /, *, yes: Yes = False, common: Common = COMMON) -> None:
    """Hold a credential no longer. It stays valid wherever else it is."""
    from foedus.surfaces.cli.client import path_of

    confirm(f"Forget the credential {credential}?", yes=yes)
    out = common.output()
    common.client().tell("DELETE", path_of("credentials", credential))
    out.show({"forgotten": credential}, lambda _: [[f"no longer held: {credential}"]])
    out.next("foedus credential list")


@app.command
def challenge(*, common: Common = COMMON) -> None:
    """Make a question for one presentation. Who is to prove something answers it, once, within ten minutes."""
    out = common.output()
    asked = common.client().post("/credentials/challenge", ChallengeView)
    out.show(asked, lambda _: pairs([("challenge", asked.challenge), ("domain", asked.domain)]))
    out.next(f"foedus credential present KEY --challenge {asked.challenge} --domain {asked.domain}   (there)")


@app.command
def present(
    *credentials: Credential,
    challenge: Annotated[str, Parameter(help="What the verifier asked, by `foedus credential challenge`.")],
    domain: Annotated[str, Parameter(help="Whom it is for: the verifying node's id.")],
    as_: As = "",
    passphrase_file: PassphraseFile = None,
    common: Common = COMMON,
) -> None:
    """Show credentials to one verifier, signed by their subject. Prints the presentation."""
    out = common.output()
    node = common.client()
    question = {"challenge": challenge, "domain": domain}
    who = _participant(node, as_) if as_ else None
    if who is None or who.custody == "node":
        body = {"credentials": list(credentials), **question, "as": who.did if who else ""}
        shown = node.post("/credentials/present", DocumentView, body)
    else:
        shown = _present_here(node, credentials, (challenge, domain), (who.did, passphrase_file))
    out.show(shown, lambda _: _document(shown.document))
    out.next("foedus credential verify FILE   (there)")


def _participant(node: Client, name: str) -> ParticipantView:
    from foedus.surfaces.cli.participants import find_one

    return find_one(node.get("/participants", list[ParticipantView], {"q": name}), name)


def _present_here(
    node: Client, credentials: tuple[str, ...], question: tuple[str, str], how: tuple[str, Path | None]
) -> DocumentView:
    """Return a presentation that a person's device signs."""
    from foedus.identity.credentials.document import CREDENTIAL_BYTES_MAX, read_document, to_text
    from foedus.identity.credentials.issuing import Question
    from foedus.identity.credentials.issuing import present as sign
    from foedus.surfaces.cli.client import path_of
    from foedus.surfaces.cli.credential_signing import device_key, now

    held = [node.get(path_of("credentials", one), CredentialView).document for one in credentials]
    if not all(held) or not held:
        raise UsageError(
            "name credentials that are held here", code="unknown_credential", remedy="see `credential list`"
        )
    documents = [read_document(text, CREDENTIAL_BYTES_MAX) for text in held]
    return DocumentView(document=to_text(sign(documents, Question(*question), now(), device_key(node, *how))))


@app.command
def verify(
    file: Given,
    /,
    *,
    status: Annotated[
        list[Path] | None,
        Parameter(metavar="FILE", negative="", help="A status list, where the issuer's node cannot be asked."),
    ] = None,
    challenge: Annotated[str, Parameter(help="What you asked. Default: any of `foedus credential challenge`.")] = "",
    domain: Annotated[str, Parameter(help="Whom it must be for. Default: this node's id.")] = "",
    common: Common = COMMON,
) -> None:
    """Judge a presentation, or a bare credential; exit 1 where it proves nothing, with the reason as code."""
    out = common.output()
    lists = [read_long(path) for path in status or []]
    body = {"document": read_long(file), "status_lists": lists, "challenge": challenge, "domain": domain}
    proved = common.client().post("/credentials/verify", VerifiedView, body)
    out.show(proved, _verified)
    out.next("foedus credential issuers")


def _verified(proved: VerifiedView) -> Iterable[Line]:
    if proved.holder:
        yield [(f"{TICK} shown by its subject, ", "green"), _who(proved.holder_known_as, proved.holder)]
    else:
        yield [(f"{CROSS} a bare credential: nobody proved to be its subject", "yellow")]
    for credential in proved.credentials:
        yield from _proven(credential)


def _proven(view: ProvenView) -> Iterable[Line]:
    yield from pairs(
        [
            ("type", (" ".join(view.types), "bold")),
            ("issuer", _who(view.issuer_known_as, view.issuer)),
            ("", view.issuer),
            ("subject", _who(view.subject_known_as, view.subject)),
            ("", view.subject),
            ("valid from", when(view.valid_from)),
            ("until", when(view.valid_until)),
            *((name, json.dumps(value, ensure_ascii=False)) for name, value in view.claims.items()),
        ]
    )


@app.command
def revoke(
    credential: Credential,
    /,
    *,
    passphrase_file: PassphraseFile = None,
    yes: Yes = False,
    common: Common = COMMON,
) -> None:
    """Take back, for good, a credential that was issued here. Verifiers see it when they next ask this node."""
    from foedus.identity.did import did_of
    from foedus.surfaces.cli.client import path_of
    from foedus.surfaces.cli.credential_signing import revoke_here
    from foedus.surfaces.cli.devices import device_folder, unlock

    out = common.output()
    node = common.client()
    path = path_of("credentials", credential)
    view = node.get(path, CredentialView)
    confirm(f"Revoke {' '.join(view.types)} of {view.subject} for good?", yes=yes)
    folder = device_folder()
    entry = next((entry for entry in folder.list() if did_of(entry.public) == view.issuer), None)
    if entry is not None:
        revoke_here(node, unlock(folder, entry, passphrase_file), view.key)
    else:
        node.post(f"{path}/revoke", CredentialView)
    out.show(node.get(path, CredentialView), lambda _: [[f"revoked: {view.key}"]])
    out.next("foedus credential list")


@app.command
def trust(issuer: Who, type_: Type, /, *, yes: Yes = False, common: Common = COMMON) -> None:
    """Believe an issuer in claims of one type."""
    from foedus.surfaces.cli.credential_signing import did_meant

    out = common.output()
    node = common.client()
    did = did_meant(node, issuer, yes=yes)
    believed = node.post("/credentials/issuers", BeliefView, {"issuer": did, "type": type_})
    out.show(believed, lambda _: [[f"believed in {believed.type}: {believed.issuer}"]])
    out.next("foedus credential issuers")


@app.command
def untrust(issuer: Who, type_: Type, /, *, common: Common = COMMON) -> None:
    """Believe an issuer no longer in claims of one type."""
    from foedus.surfaces.cli.client import path_of
    from foedus.surfaces.cli.credential_signing import did_meant

    out = common.output()
    node = common.client()
    did = did_meant(node, issuer, yes=True)
    node.tell("DELETE", path_of("credentials", "issuers", did, type_))
    out.show({"issuer": did, "type": type_}, lambda _: [[f"no longer believed in {type_}: {did}"]])
    out.next("foedus credential issuers")


@app.command
def issuers(*, common: Common = COMMON) -> None:
    """List whom this node believes, per type of claim. Nobody is believed in anything by itself."""
    out = common.output()
    beliefs = common.client().get("/credentials/issuers", list[BeliefView])
    if out.as_json or not beliefs:
        out.show(beliefs, lambda _: [["nobody is believed yet"]])
    else:
        out.table(["type", "issuer", "DID"], ([b.type, b.issuer_known_as or DASH, b.issuer] for b in beliefs))
    out.next("foedus credential trust ISSUER TYPE")


def read_long(file: Path) -> str:
    """Return the text of a presentation or status list."""
    from foedus.identity.credentials.document import PRESENTATION_BYTES_MAX

    return read_text(file, PRESENTATION_BYTES_MAX)
