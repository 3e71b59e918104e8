"""Keys: the node's and those of the device folder."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeAlias

from cyclopts import App, Parameter

from foedus.base.errors import FoedusError, UsageError
from foedus.surfaces.cli.errors import CommandLineError, NotRunning
from foedus.surfaces.cli.options import COMMON, Common, File, PassphraseFile, Yes
from foedus.surfaces.cli.output import Line, pairs
from foedus.surfaces.cli.prompts import confirm, read_text, recovery_words
from foedus.surfaces.cli.text import TICK
from foedus.values.node import RotationView

if TYPE_CHECKING:
    from foedus.adapters.device_folder import DeviceEntry

app = App(name="key", help="Keys: the node's and those of your device folder.")

_Words: TypeAlias = Annotated[
    Path | None,
    Parameter(
        metavar="FILE",
        allow_leading_hyphen=True,
        help="Read the words from a file ('-': standard input). Default: FOEDUS_RECOVERY_WORDS, else a prompt",
    ),
]


@app.command
def generate(
    name: Annotated[str, Parameter(help="Your word for it; `foedus participant add` with this name takes it up.")],
    /,
    *,
    kind: Annotated[
        Literal["human", "agent"],
        Parameter(show_default=True, help="Whom it will sign for. A human's key is sealed by a passphrase."),
    ] = "agent",
    passphrase_file: PassphraseFile = None,
    common: Common = COMMON,
) -> None:
    """Make a device key in your device folder (FOEDUS_DEVICE, else ~/.foedus-device), and show its public half."""
    from foedus.base.ids import parse_id
    from foedus.surfaces.cli.devices import device_folder, new_key

    out = common.output()
    own = parse_id(common.identity().node)
    entry, _ = new_key(device_folder(), name, kind, own, passphrase_file)
    out.show(device_value(entry), lambda _: _device_lines(entry))
    out.next("foedus participant add {} --kind {}", name, kind)


def device_value(entry: DeviceEntry) -> dict[str, Any]:
    """Return an entry of the device folder as JSON shows it."""
    return {
        "name": entry.name,
        "did": entry.did,
        "node": entry.node.hex(),
        "kind": entry.kind,
        "sealed": entry.sealed,
        "public": entry.public.hex(),
    }


def _device_lines(entry: DeviceEntry) -> Iterable[Line]:
    return pairs(
        [
            ("device key", (entry.name, "bold")),
            ("kind", entry.kind),
            ("public", entry.public.hex()),
            ("DID", entry.did),
            ("for node", entry.node.hex()),
            ("sealed", "by a passphrase" if entry.sealed else "no"),
        ],
    )


@app.command(name="list")
def list_(*, common: Common = COMMON) -> None:
    """List the public keys of the node and of your device folder."""
    from foedus.surfaces.cli.devices import device_folder

    out = common.output()
    keys = common.made_home().node_keys()
    node = {name: getattr(keys, name).public.hex() for name in ("ed25519", "mldsa65", "xwing")}
    devices = device_folder().list()
    out.show(
        {"node": node, "devices": [device_value(entry) for entry in devices]},
        lambda _: _key_lines(node, devices),
    )
    out.next("foedus key self-test")


def _key_lines(node: dict[str, str], devices: list[DeviceEntry]) -> Iterable[Line]:
    yield from pairs([(f"node {name}", public) for name, public in node.items()])
    for entry in devices:
        yield []
        yield from _device_lines(entry)


@app.command
def export(*, yes: Yes = False, common: Common = COMMON) -> None:
    """Print the node's SECRET keys in hex, for paper or a vault. Whoever has them is this node."""
    from foedus.adapters.key_files import export_hex

    out = common.output()
    home = common.made_home()
    confirm("Print the node's secret keys on this screen?", yes=yes)
    text = export_hex(home.node_keys())
    secrets = dict(line.split(" ") for line in text.splitlines())
    out.show(secrets, lambda _: [[line] for line in text.splitlines()])
    out.next("foedus key import   (into a home that has no keys)")


@app.command(name="import")
def import_(
    *exported: Annotated[
        str,
        Parameter(
            metavar="HEX",
            help="The three lines. Others on this machine may see them here: better give --file.",
        ),
    ],
    file: File = None,
    common: Common = COMMON,
) -> None:
    """Put keys that `foedus key export` printed into a home that has none."""
    from foedus.adapters.key_files import NODE_KEYS, import_hex, write_node_keys

    out = common.output()
    home = common.folder()
    if not exported and file is None:
        raise CommandLineError("which keys?", remedy="give --file FILE, or --file - and type them")
    keys = import_hex(" ".join(exported) if file is None else read_text(file))
    if (home.keys / NODE_KEYS).exists():
        raise UsageError(
            f"there are keys in {home.keys} already",
            code="keys_exist",
            http_status=409,
            remedy="name another folder with --home; foedus never writes over keys",
        )
    write_node_keys(home.keys, keys)
    shown = {"ed25519": keys.ed25519.public.hex()}
    out.show(shown, lambda _: [[f"imported the keys of {shown['ed25519']} into {home.keys}"]])
    out.next("foedus up" if home.exists() else "bring HOME/foedus.db back from the backup, then `foedus up`")


@app.command
def rotate(*, yes: Yes = False, common: Common = COMMON) -> None:
    """Change the node's keys: open a new epoch, signed by the former keys. Peers follow one a day unasked."""
    out = common.output()
    confirm("Make new keys for this node?", yes=yes)
    try:
        rotation = common.client().post("/keys/rotate", RotationView)
    except NotRunning:
        from foedus.node import offline

        rotation = offline.rotate(common.made_home())
    out.show(rotation, _rotation_lines)
    out.next("foedus id")


@app.command
def recover(
    *,
    words_file: _Words = None,
    yes: Yes = False,
    common: Common = COMMON,
) -> None:
    """Take the node back with its 24 recovery words: new keys, and what a thief signed after is void everywhere."""
    from foedus.crypto.words import from_words

    out = common.output()
    words = " ".join(recovery_words(words_file).split())
    from_words(words)
    confirm("Open a new epoch by the recovery keys? It cannot be undone.", yes=yes)
    try:
        rotation = common.client().post("/keys/recover", RotationView, {"words": words})
    except NotRunning:
        from foedus.node import offline

        rotation = offline.recover(common.made_home(), words)
    out.show(rotation, _rotation_lines)
    out.next("foedus status")


def _rotation_lines(rotation: RotationView) -> Iterable[Line]:
    return pairs([("epoch", f"{rotation.epoch_number} ({rotation.epoch})"), ("cause", rotation.cause)])


@app.command
def sign_test(*, common: Common = COMMON) -> None:
    """Sign with each key of the node and check the signatures: the key files are whole and fit together."""
    import os

    from foedus.crypto import ed25519, mldsa, xwing

    out = common.output()
    keys = common.made_home().node_keys()
    message = b"foedus sign-test\0" + os.urandom(32)  # not a label of the protocol: it signs nothing else
    ciphertext, secret = xwing.encapsulate(keys.xwing.public, os.urandom(xwing.SEED_BYTES))
    passed = {
        "ed25519": ed25519.verify(keys.ed25519.public, message, keys.ed25519.sign(message)),
        "mldsa65": mldsa.verify(keys.mldsa65.public, message, keys.mldsa65.sign(message)),
        "xwing": keys.xwing.decapsulate(ciphertext) == secret,
    }
    if not all(passed.values()):
        failed = ", ".join(name for name, good in passed.items() if not good)
        raise FoedusError(f"these keys do not work: {failed}", code="sign_test_failed", remedy="run `foedus doctor`")
    out.show({"ok": True, "keys": list(passed)}, lambda _: [[(TICK, "green"), f" {name}"] for name in passed])
    out.next("foedus key self-test")


@app.command
def self_test(*, common: Common = COMMON) -> None:
    """Check each cryptographic primitive of this installation against published answers."""
    from foedus.crypto.selftest import self_test as run_checks

    out = common.output()
    checks = run_checks()
    out.show({"ok": True, "checks": checks}, lambda _: [[(TICK, "green"), f" {name}"] for name in checks])
    out.next("foedus doctor")
