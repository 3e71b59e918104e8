"""What is wrong with this node now, or waits for a person, and what mends it: the first thing that `status` shows."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from foedus.base.clock import ClockAhead
from foedus.base.limits import CLOCK_AHEAD_MAX, SECOND
from foedus.node.blobs import BlobsFull
from foedus.node.composition import Node
from foedus.values.consent import ApprovalView
from foedus.values.node import Trouble

NameOf = Callable[[bytes], str]


def troubles(node: Node, name_of: NameOf, approvals: Sequence[ApprovalView]) -> list[Trouble]:
    """Return all troubles but those of agreements and of the audit log, the worst first."""
    return [
        *_stopped(node),
        *clock_behind(node),
        *_policy(node),
        *_requests(node),
        *_approvals_waiting(approvals),
        *_devices_waiting(node),
        *_held_epochs(node, name_of),
        *_forks(node, name_of),
        *_lacking(node, name_of),
        *_blobs(node),
    ]


def _stopped(node: Node) -> list[Trouble]:
    author = node.author
    return [Trouble(code="not_authoring", message=author.stopped, remedy=author.remedy)] if author.stopped else []


def clock_behind(node: Node) -> list[Trouble]:
    """Return the trouble of a clock that is behind the log: nothing is written then."""
    behind_us = node.store.clock.head.us - node.store.now()
    if behind_us <= CLOCK_AHEAD_MAX:
        return []
    message = f"this node's log is {behind_us // SECOND} s ahead of its clock; it writes nothing until that is mended"
    return [Trouble(code=ClockAhead.code, message=message, remedy=ClockAhead.remedy)]


def _policy(node: Node) -> list[Trouble]:
    """Return why the policy file is not in force, and who waits for our word since the policy asks for it."""
    wrong = node.policy.trouble
    found = [Trouble(code=wrong.code, message=wrong.message, remedy=wrong.remedy)] if wrong else []
    return found + [
        Trouble(
            code="confirm",
            message=f"{peer.name!r} ({peer.node.hex()}) accepted; nothing flows until you confirm that it is yours",
            remedy=f"compare the whole id, then: foedus peer confirm {peer.node.hex()}",
        )
        for peer in node.peers.book.unconfirmed()
    ]


def _requests(node: Node) -> list[Trouble]:
    return [
        Trouble(
            code="request",
            message=f"{pending.peer.name!r} ({pending.peer.node.hex()}) asks for a connection",
            remedy=f"foedus peer accept {pending.peer.node.hex()}",
        )
        for pending in node.peers.book.pending()
    ]


def _approvals_waiting(approvals: Sequence[ApprovalView]) -> list[Trouble]:
    return [
        Trouble(
            code="approval",
            message=f"{waiting.agent.name!r} wants to {waiting.what}: {waiting.room_name!r}",
            remedy=f"foedus approval allow {waiting.id} --as NAME, or foedus approval deny {waiting.id}",
        )
        for waiting in approvals
        if waiting.state == "waiting"
    ]


def _devices_waiting(node: Node) -> list[Trouble]:
    return [
        Trouble(
            code="device",
            message=f"a new device of {node.agents.find(waiting.did).name!r} waits for an older one",
            remedy="where an enrolled device is: foedus pair confirm",
        )
        for waiting in node.access.pairings.waiting()
    ]


def _held_epochs(node: Node, name_of: NameOf) -> list[Trouble]:
    return [
        Trouble(
            code="epoch_held",
            message=f"{name_of(peer)} opened more than one epoch today",
            remedy=f"ask its people, then `foedus peer follow {peer.hex()}`",
        )
        for peer in node.records.held
    ]


def _forks(node: Node, name_of: NameOf) -> list[Trouble]:
    return [
        Trouble(
            code="equivocation",
            message=f"{name_of(chain.node)} wrote two histories in {chain.stream}",
            remedy="its owner opens a new epoch; until then what follows the fork is not shown",
        )
        for chain in node.store.admission.chains
        if chain.is_contested
    ]


def _lacking(node: Node, name_of: NameOf) -> list[Trouble]:
    return [
        Trouble(
            code="pruned",
            message=f"{name_of(one.peer)} no longer has the events {one.held + 1} to {one.statement.seq} of {stream}; "
            "what follows waits for them",
            remedy="connect to who may have them, or go on without them: "
            f"`foedus retention skip {stream.removeprefix('room:')}`",
        )
        for (_, stream), one in node.pruned.lacking.items()
    ]


def _blobs(node: Node) -> list[Trouble]:
    """Return why large updates of documents are not kept."""
    found = []
    if wrong := node.blobs.trouble or node.blob_carrying.trouble:
        message = f"large updates of documents are not kept now: {wrong}"
        remedy = f"free some space on the disk of {node.home.blobs}; the node goes on by itself"
        found.append(Trouble(code="blobs", message=message, remedy=remedy))
    if node.blobs.left_out:
        message = f"{node.blobs.left_out} large updates of others found no room: there is a bound for each node"
        found.append(Trouble(code=BlobsFull.code, message=message, remedy=BlobsFull.remedy))
    return found
