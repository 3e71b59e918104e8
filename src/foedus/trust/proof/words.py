"""What an evidence file proves, in plain words."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from foedus.base.clock import Instant
from foedus.trust.proof.verify import Proved


def told(proved: Proved, when: Callable[[Instant], str]) -> Iterator[str]:
    """Yield sentences. ``when`` shows an instant."""
    act = proved.event.act
    yield f"Event {proved.id.hex()} is authentic: {act.kind} in {proved.event.stream}."
    if act.device is None:
        yield f"Its author is node {proved.node.hex()} itself, by its own key."
    else:
        yield f"Its author is {act.author}, whose device {act.device.hex()} signed it for node {proved.node.hex()}."
    yield f"By its author's clock it was made {when(act.at)}; its node gave it place {proved.event.seq} and signed it."
    for cited, kind in proved.stands_on:
        yield f"It stands on {kind} {cited.hex()}, which is authentic."
    who = "a person whom the agreement names" if all(it.agreement for it in proved.receipts) else "a person of its node"
    for human in proved.humans:
        yield f"It crossed in the name of {human}, {who}."
    yield "By these events it was authorised; that nothing later withdrew this, no file can prove."
    for each in proved.agreements:
        one, other = each.nodes
        version = f"{each.id.hex()}, version {each.document.version}"
        yield f"Agreement {version}, was signed by nodes {one.hex()} and {other.hex()}."
    for receipt in proved.receipts:
        under = f"under agreement {receipt.agreement.hex()}" if receipt.agreement else "under no agreement"
        yield f"Node {receipt.node.hex()} signed, {when(receipt.at)}, that it accepted the event {under}."
        if receipt.head is not None:
            yield f"Its audit log then had {receipt.rows} rows; the last has the hash {receipt.head.hex()}."
