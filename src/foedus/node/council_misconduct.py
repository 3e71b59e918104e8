"""Members that contradicted themselves: files that convict them, from a home's disk, and checked without one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from foedus.adapters.sqlite_log import SqliteLog
from foedus.base.cbor import Malformed, NotCanonical, decode
from foedus.base.errors import NotFound
from foedus.consensus.misconduct import Convicted, make_misconduct, verify_misconduct
from foedus.consensus.proof import PROOF_BYTES_MAX
from foedus.log.port import EventLog
from foedus.node.council_founding import SPACE
from foedus.node.council_messages import Founded, read
from foedus.node.council_records import CouncilRecords
from foedus.node.council_seat import Seat
from foedus.node.home import Home
from foedus.node.lookup import find
from foedus.values.node import Trouble


def prove_misconduct(home: Home, council: str, member: str) -> bytes:
    """Return the file that convicts a member (its id, or 8 digits of it) of a council. The node may run meanwhile."""
    home.require()
    log = SqliteLog(home.database)
    try:
        return _file(log, council, member)
    finally:
        log.close()


def _file(log: EventLog, council: str, member: str) -> bytes:
    held = {key: said for key, data in log.values(SPACE).items() if isinstance(said := read(data), Founded)}
    named = [(key, said.founding.name) for key, said in held.items()]
    founded = held[find(council, named, "council", "see `foedus council list`")]
    records = CouncilRecords(log, founded.founding.id)
    exposed = records.exposed()
    if not exposed:
        raise NotFound("no member of this council contradicted itself, as far as this node knows", code="no_misconduct")
    node = find(member, [(it, "") for it in exposed], "member", "see `foedus council members`")
    signatures = [signed.signature for signed in founded.signatures]
    return make_misconduct(founded.founding, signatures, records.renewals(), exposed[node]).encode()


def convicted_by(path: Path) -> Convicted | None:
    """Return whom a file convicts, None where it is of another kind; raise ProofFailed, or NotFound."""
    if not path.exists():
        raise NotFound(f"there is no file {path}")
    with path.open("rb") as file:
        data = file.read(PROOF_BYTES_MAX + 1)
    try:
        plain = decode(data)
    except (NotCanonical, Malformed):
        return None
    return verify_misconduct(data) if isinstance(plain, dict) and "contradiction" in plain else None


def told(convicted: Convicted) -> list[str]:
    """Say what a file proves."""
    where = "" if convicted.sequence is None else f" about place {convicted.sequence}"
    return [
        f"Node {convicted.node.hex()} contradicted itself.",
        f"It is a member of the council {convicted.name!r} ({convicted.council.hex()}).",
        f"In epoch {convicted.epoch}, view {convicted.view}, it signed two different words{where}: {convicted.said}.",
        "Both are signed by the key that it votes by: no honest node does that.",
    ]


def troubles_of(seat: Seat, name_of: Callable[[bytes], str]) -> list[Trouble]:
    """Return what a human is to decide: members that contradicted themselves and are members still."""
    name = seat.founded.founding.name
    return [
        Trouble(
            code="council_exposed",
            message=f"{name_of(node)!r} ({node.hex()}) contradicted itself in the council {name!r}: "
            "it lies, or two run with its key",
            remedy=f"foedus proof council {seat.founded.founding.id.hex()} {node.hex()} > FILE shows it to others; "
            f"foedus council remove {seat.founded.founding.id.hex()} {node.hex()} wishes it out",
        )
        for node in sorted(seat.exposed)
        if seat.membership.index_of(node) is not None
    ]
