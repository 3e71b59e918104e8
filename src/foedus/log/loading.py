"""Rebuilding what admission knows from what the log holds, as a node starts."""

from __future__ import annotations

from foedus.base.clock import Instant
from foedus.log.authority import Authority
from foedus.log.chains import Chain
from foedus.log.control import ControlEvent
from foedus.log.erasures import AT_REST, Erasures
from foedus.log.event import parse_event, read_event
from foedus.log.port import EventLog, Verdict


def read_chains(log: EventLog, authority: Authority) -> None:
    """Take in every chain's end and fork, and all control events. Next: the openings of the chains."""
    for head in log.heads():
        chain = _chain(authority, head.epoch, head.stream)
        if chain is not None:
            chain.advance(head.seq, head.id, head.hlc)
    for proof in log.proofs():
        chain = _chain(authority, proof.epoch, proof.stream)
        if chain is not None:
            chain.contested = proof.seq
    newest = _newest(authority)
    for row in log.control_rows():
        chain = authority.chains.get((row.epoch, row.stream))
        if chain is not None and chain.is_folded:
            control = ControlEvent(parse_event(row.envelope), chain.node)
            control.verdict, control.reason = row.verdict, row.reason
            if not authority.rests.take_read(control, newest[chain.node]):
                authority.controls.add(control)


def _newest(authority: Authority) -> dict[bytes, Instant]:
    """Return the newest clock that is held of each node."""
    newest: dict[bytes, Instant] = {}
    for chain in authority.chains:
        newest[chain.node] = max(newest.get(chain.node, 0), chain.hlc.us)
    return newest


def judge_controls(authority: Authority) -> None:
    """Find how far each chain is honoured, and fold all participants and rooms."""
    for node in dict.fromkeys(chain.node for chain in authority.chains):
        authority.cuts.refresh_node(node)
    for stream in authority.controls.streams():
        authority.relearn(stream)
    authority.rests.rest_all(_newest(authority))


def index_waiting(log: EventLog, authority: Authority) -> None:
    """Index the events that wait for what they cite."""
    for row in log.pending_rows():
        chain = authority.chains.get((row.epoch, row.stream))
        if chain is not None and row.reason == "auth":
            authority.await_cited(read_event(row.envelope), chain, row.seq)


def read_erasures(log: EventLog, authority: Authority, erasures: Erasures) -> None:
    """Take in the erasures that do not rest, with their verdicts as stored."""
    resting = log.values(AT_REST)
    erasures.any_rest = bool(resting)
    for row in log.erase_rows():
        chain = authority.chains.get((row.epoch, row.stream))
        if chain is not None and (row.id not in resting or row.verdict is not Verdict.ACCEPTED):
            erasures.note(parse_event(row.envelope), chain, counts=row.verdict is Verdict.ACCEPTED)


def _chain(authority: Authority, epoch: bytes, stream: str) -> Chain | None:
    node = authority.identities.node_of(epoch)
    return None if node is None else authority.chains.ensure(epoch, stream, node)
