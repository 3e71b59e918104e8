"""Pair a device: show a code at the node, make the key on the device, and confirm a further one where a key is."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated

from cyclopts import App, Parameter

from foedus.base.errors import NotFound, UsageError
from foedus.surfaces.cli.device_commands import As, WordsFile, authority_of, order, whose
from foedus.surfaces.cli.errors import Cancelled, CommandLineError
from foedus.surfaces.cli.options import COMMON, Common, PassphraseFile, Recovery, Yes
from foedus.surfaces.cli.output import Line, Output, pairs
from foedus.surfaces.cli.prompts import confirm
from foedus.surfaces.cli.text import when
from foedus.values.access import PairCodeView, PairingView

if TYPE_CHECKING:
    from foedus.surfaces.cli.pairing_device import NewDevice
    from foedus.values.access import PairStep

app = App(name="pair", help="Give a person or an agent a device of their own: its key is made there and stays there.")

_POLL_S = 2.0
"""Between two looks whether an enrolled device has confirmed this one: a person is walking from one to the other."""
_FRAGMENT = "#pair="


@app.command
def start(
    *,
    as_: Annotated[
        str,
        Parameter(name="--as", metavar="NAME", help="A further device of this participant. Without: a new person."),
    ] = "",
    agent: Annotated[bool, Parameter(negative="", help="A new agent instead of a new person.")] = False,
    architect: Annotated[
        bool, Parameter(negative="", help="A new person who runs this node: may do on the page what this command may.")
    ] = False,
    common: Common = COMMON,
) -> None:
    """Show a code and a QR code for a new device. It serves once, for ten minutes.

    The link signs a browser in at the node's page; a QR code brings it to a phone.
    """
    out = common.output()
    if as_ and (agent or architect):
        raise CommandLineError(
            "a further device is of a participant that is there", remedy="leave out --agent and --architect"
        )
    if agent and architect:
        raise CommandLineError("an architect is a human", remedy="leave out --agent")
    body = {"participant": as_, "kind": "agent" if agent else "human", "architect": architect}
    code = common.client().ask("POST", "/api/pair/generate", PairCodeView, body)
    out.show(code, _code_lines)
    out.next(f"open the link in a browser, or on the new device: foedus pair device {code.url} {code.code}")


def _code_lines(code: PairCodeView) -> Iterable[Line]:
    whom = "a further device" if code.did else f"a new {'person' if code.kind == 'human' else 'agent'}"
    link = [("link", (code.link, "bold"))] if code.kind == "human" else []
    yield from ([(line, "white on black")] for line in _qr(code.link))
    yield from pairs(
        [
            ("code", (code.code, "bold")),
            ("at", code.url),
            *link,
            ("for", whom),
            ("serves", f"once, until {when(code.expires)}"),
        ]
    )


def _qr(text: str) -> list[str]:
    """Return a QR code in half blocks, two rows of it in a line."""
    import io

    import segno

    drawn = io.StringIO()
    segno.make(text, error="m", micro=False).terminal(out=drawn, border=2, compact=True)
    return drawn.getvalue().rstrip("\n").split("\n")


@app.command
def device(  # noqa: PLR0913  # each is an option of the command line
    url: Annotated[str, Parameter(help="The node's address, as `foedus pair start` shows it (the QR's text, too).")],
    code: Annotated[str, Parameter(help="The code, such as K7-2MXW.")] = "",
    /,
    *,
    name: Annotated[str, Parameter(help="What others see of a new person or agent; else this device's name.")] = "",
    keyring: Annotated[
        bool, Parameter(negative="", help="Seal the key by the operating system's keyring, not by a passphrase.")
    ] = False,
    recovery: Recovery = False,
    passphrase_file: PassphraseFile = None,
    common: Common = COMMON,
) -> None:
    """Make a key on this machine, in your device folder, and pair it with the node at URL by the code that it shows."""
    import getpass

    from foedus.surfaces.cli.pairing_device import NewDevice

    out = common.output()
    url, _, shown = url.partition(_FRAGMENT)
    if not (code or shown):
        raise CommandLineError("which code?", remedy="foedus pair device URL CODE; `foedus pair start` shows both")
    new = NewDevice(url.rstrip("/"), name or getpass.getuser(), keyring=keyring, file=passphrase_file)
    step = new.claim(code or shown)
    if not out.as_json:
        out.words("this device's key: ", (new.fingerprint, "bold"))
    words = new.enrol_first(recovery=recovery) if not step.did else []
    paired = _wait(new, out)
    value = {"did": paired.did, "node": paired.node, "device": new.public, "url": new.url, "recovery_words": words}
    out.show(value, lambda _: _paired_lines(new, paired, words))
    out.next("foedus room list   (FOEDUS_URL={} where a node of your own is here)", new.url)


def _wait(new: NewDevice, out: Output) -> PairStep:
    """Return the last step; while an enrolled device has not confirmed, ask again."""
    step = new.prove()
    if step.state == "waiting" and not out.as_json:
        out.words(
            "waiting: run `foedus pair confirm` where a key of the same participant is, and compare the fingerprint"
        )
    while step.state != "paired":
        time.sleep(_POLL_S)
        try:
            step = new.prove()
        except NotFound:
            raise Cancelled(
                "nobody confirmed this device", remedy="begin again: `foedus pair start --as NAME` at the node"
            ) from None
    return step


def _paired_lines(new: NewDevice, step: PairStep, words: list[str]) -> Iterable[Line]:
    from foedus.surfaces.cli.participants import words_lines

    yield from pairs(
        [("paired with", new.url), ("node", step.node), ("DID", step.did), ("key", f"{new.public} ({new.fingerprint})")]
    )
    yield from words_lines(words)


@app.command(name="list")
def list_(*, common: Common = COMMON) -> None:
    """List the new devices that wait for an enrolled one to confirm them."""
    out = common.output()
    waiting = common.client().get("/pairings", list[PairingView])
    out.show(waiting, _waiting_lines)
    out.next(
        "foedus pair confirm --as {}" if waiting else "foedus pair start --as NAME",
        *(each.name for each in waiting[:1]),
    )


def _waiting_lines(waiting: list[PairingView]) -> Iterable[Line]:
    for each in waiting:
        yield from _asking_lines(each)
        yield []
    if not waiting:
        yield ["no device waits"]


def _asking_lines(asking: PairingView) -> Iterable[Line]:
    return pairs(
        [
            ("fingerprint", (asking.fingerprint, "bold")),
            ("calls itself", asking.device_name),
            ("would speak for", f"{asking.name} ({asking.did})"),
            ("until", when(asking.expires)),
        ]
    )


@app.command(name="confirm")
def confirm_(
    *,
    as_: As = "",
    words_file: WordsFile = None,
    passphrase_file: PassphraseFile = None,
    yes: Yes = False,
    common: Common = COMMON,
) -> None:
    """Let a new device speak for you: run it where a key of yours is. Shows the fingerprint, and asks.

    The enrolment is signed here by your enrolled device, or by your recovery words; the node cannot do it.
    """
    from foedus.base.base64url import from_base64url
    from foedus.base.ids import parse_id
    from foedus.surfaces.cli.participants import participant_lines

    out = common.output()
    node = common.client(passphrase_file)
    who = whose(node, as_)
    asking = _one([each for each in node.get("/pairings", list[PairingView]) if each.did == who.did], who.name)
    if not out.as_json:
        for line in _asking_lines(asking):
            out.words(*line)
    confirm("Does the new device show this fingerprint, and is it yours?", yes=yes)
    body = {
        "did": who.did,
        "node": parse_id(who.node),
        "kind": who.kind,
        "name": asking.device_name,
        "custody": "device",
        "device": parse_id(asking.device),
        "possession": from_base64url(asking.possession, "possession"),
        "recovery": None,
    }
    order(node, who, authority_of(node, who, passphrase_file, words_file), "device.enrol", body)
    out.show(whose(node, as_), participant_lines)
    out.next("foedus device list --as {}", who.name)


def _one(waiting: list[PairingView], name: str) -> PairingView:
    if not waiting:
        raise NotFound(
            f"no device waits to speak for {name}",
            code="unknown_pairing",
            remedy="show a code with `foedus pair start --as NAME`, then run `foedus pair device` on the new machine",
        )
    if len(waiting) > 1:
        raise UsageError(
            f"{len(waiting)} devices wait to speak for {name}: one of them may not be yours",
            code="ambiguous",
            remedy="`foedus pair list` shows them; `foedus pair refuse PAIRING` turns one away",
        )
    return waiting[0]


@app.command
def refuse(
    pairing: Annotated[str, Parameter(help="As `foedus pair list --json` shows it.")], /, *, common: Common = COMMON
) -> None:
    """Turn a waiting device away."""
    from foedus.surfaces.cli.client import path_of

    out = common.output()
    common.client().tell("DELETE", path_of("pairings", pairing))
    out.show({"pairing": pairing, "refused": True}, lambda _: [["turned away"]])
    out.next("foedus pair list")
