"""The manifest: what a node tells anyone who asks at ``/.well-known/mesh-manifest.json``.

What is signed is DAG-CBOR; the JSON shows it to people and carries the signed bytes, and readers
believe those alone. The whole history of identity records comes along, so that a reader can check
everything from the node id on; whether that history is still in force only the directory tells.
"""

from __future__ import annotations

from typing import Annotated, Any, TypeAlias

import msgspec
from msgspec import Meta, Struct

from foedus.base.base64url import NotBase64url, from_base64url, to_base64url
from foedus.base.cbor import decode_as, encode, learn, to_plain
from foedus.base.errors import PeerViolation
from foedus.base.limits import NAME_MAX
from foedus.crypto import ed25519
from foedus.crypto.ed25519 import Ed25519Key
from foedus.crypto.labels import signed_bytes
from foedus.identity.did import did_of
from foedus.identity.record import Id, SignedRecord, parse_signed_record, verify_history

MANIFEST_JSON_MAX = 1_048_576
"""Bytes of the JSON: 48 records with ML-DSA keys and signatures are 0.8 MB of base64."""
MANIFEST_BYTES_MAX = 65_536
"""Bytes of the signed part: as an event, and bounds the agents that one manifest lists."""

_Name: TypeAlias = Annotated[str, Meta(min_length=1, max_length=NAME_MAX)]
_Did: TypeAlias = Annotated[str, Meta(pattern=r"\Adid:key:z6Mk[1-9A-HJ-NP-Za-km-z]{44}\Z")]
_Url: TypeAlias = Annotated[str, Meta(min_length=1, max_length=512)]
_Number: TypeAlias = Annotated[int, Meta(ge=0, lt=1 << 62)]
_Label: TypeAlias = Annotated[str, Meta(min_length=1, max_length=64)]
_Text: TypeAlias = Annotated[str, Meta(max_length=256)]
_Parameters: TypeAlias = Annotated[dict[_Label, _Number], Meta(max_length=32)]


class BadManifest(PeerViolation):
    """A manifest is not well formed, too large, or not signed by the node that it names."""

    code = "bad_manifest"
    remedy = "fetch it again from the node itself; if this repeats, something between changes it"


class Agent(Struct, frozen=True, forbid_unknown_fields=True):
    """A participant that takes questions."""

    did: _Did
    name: _Name


class Manifest(Struct, frozen=True, forbid_unknown_fields=True):
    """What is signed. ``did`` is the did:key of the epoch's Ed25519 key, ``at`` in µs since 1970 UTC.

    ``version``: of the program. ``capabilities``: name → major and numeric parameters, as on a link.
    ``agents`` is empty for strangers. ``federation``: settings that a stranger may want to know.
    ``serial`` grows with each manifest of the node and never goes back.
    """

    v: Annotated[int, Meta(ge=1, le=1)]
    name: _Name
    node: Id
    did: _Did
    version: _Label
    endpoints: Annotated[tuple[_Url, ...], Meta(max_length=8)]
    capabilities: Annotated[dict[_Label, _Parameters], Meta(max_length=64)]
    agents: Annotated[tuple[Agent, ...], Meta(max_length=256)]
    federation: Annotated[dict[_Label, bool | _Number | _Text], Meta(max_length=64)]
    serial: _Number
    at: _Number


class SignedManifest(Struct, frozen=True):
    """A manifest with its bytes, the signature over them, and the node's records, oldest first."""

    manifest: Manifest
    manifest_bytes: bytes
    signature: bytes
    records: tuple[SignedRecord, ...]


class _SignedView(Struct, frozen=True):
    manifest: str
    signature: str
    records: list[str]


class _JsonView(Struct, frozen=True):
    signed: _SignedView


def build_manifest(manifest: Manifest, key: Ed25519Key, records: tuple[SignedRecord, ...]) -> SignedManifest:
    """Sign ``manifest`` with the newest epoch's ``key``; ``records``: the node's history, oldest first.

    Raises BadManifest where node, did and key do not fit the records or a bound is exceeded, Malformed
    where a value has not the type or size that ``Manifest`` says.
    """
    data = encode(_plain(manifest))
    signed = SignedManifest(decode_as(data, Manifest), data, key.sign(signed_bytes("manifest", data)), records)
    _check(signed)
    return signed


def verify_manifest(data: bytes, signature: bytes, ed25519_public: bytes) -> Manifest:
    """Return the manifest that ``data`` is, if ``signature`` over it holds under the key (32 bytes).

    Raises BadManifest, Malformed or NotCanonical. Whose key that is the caller must know.
    """
    if len(data) > MANIFEST_BYTES_MAX:
        raise BadManifest(f"a manifest has at most {MANIFEST_BYTES_MAX} bytes, not {len(data)}")
    if not ed25519.verify(ed25519_public, signed_bytes("manifest", data), signature):
        raise BadManifest("the manifest is not signed by the newest key of its node")
    return decode_as(data, Manifest)


def to_json(signed: SignedManifest) -> bytes:
    """Return the JSON that the node serves: the fields for people, and ``signed`` for programs."""
    view = _plain(signed.manifest)
    view["node"] = signed.manifest.node.hex()
    view["signed"] = {
        "manifest": to_base64url(signed.manifest_bytes),
        "signature": to_base64url(signed.signature),
        "records": [to_base64url(record.encode()) for record in signed.records],
    }
    return msgspec.json.encode(view)


def read_manifest(data: bytes) -> SignedManifest:
    """Return what the JSON ``data`` proves: the signed part, and the records that it follows from.

    Everything is verified, from the records to the signature; what else the JSON says is not looked
    at. Raises BadManifest, BadRecord, Malformed or NotCanonical. Next: compare ``manifest.node`` with
    the node that was expected, and ``serial`` with the last one (``is_newer``).
    """
    if len(data) > MANIFEST_JSON_MAX:
        raise BadManifest(f"a manifest's JSON has at most {MANIFEST_JSON_MAX} bytes, not {len(data)}")
    try:
        view = msgspec.json.decode(data, type=_JsonView).signed
        body, signature, *history = map(from_base64url, (view.manifest, view.signature, *view.records))
    except (msgspec.DecodeError, RecursionError, NotBase64url) as error:
        raise BadManifest(f"not the JSON of a manifest: {error}") from None
    records = tuple(map(parse_signed_record, history))
    verify_history(records)
    manifest = verify_manifest(body, signature, records[-1].record.keys.ed25519)
    signed = SignedManifest(manifest, body, signature, records)
    _check_names(signed)
    return signed


def is_newer(old_serial: int | None, new_serial: int) -> bool:
    """Tell whether a manifest replaces the one that is held (None: none is). An equal serial does not."""
    return old_serial is None or new_serial > old_serial


def _plain(manifest: Manifest) -> dict[str, Any]:
    """Return the map that is encoded (libipld takes lists, not tuples)."""
    plain: dict[str, Any] = to_plain(manifest)
    return plain | {"endpoints": list(plain["endpoints"]), "agents": list(plain["agents"])}


def _check(signed: SignedManifest) -> None:
    """Check our own manifest as a reader would, so that no node publishes what nobody can believe."""
    if not signed.records:
        raise BadManifest("a manifest carries the identity records of its node")
    verify_manifest(signed.manifest_bytes, signed.signature, signed.records[-1].record.keys.ed25519)
    _check_names(signed)


def _check_names(signed: SignedManifest) -> None:
    newest = signed.records[-1]
    if signed.manifest.node != newest.node:
        raise BadManifest("the manifest names another node than its identity records")
    if signed.manifest.did != did_of(newest.record.keys.ed25519):
        raise BadManifest("the manifest names another DID than its newest identity record")


learn(Manifest, _JsonView)
