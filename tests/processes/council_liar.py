"""`foedus up` of a member that lies: it signs another digest beside each vote, and other batches beside each proposal.

Both are signed by the real key of its node. Every second member is shown both, the others see only what is true.
"""

from msgspec.structs import replace

from foedus.consensus.messages import Proposal, Vote, vote_bytes
from foedus.consensus.updates import Batch
from foedus.node.council_driver import CouncilDriver
from foedus.surfaces.cli.main import main

_truth = CouncilDriver._send_to


def _signed(driver, vote, digest):
    data = vote_bytes(driver.membership, vote.phase, vote.view, vote.sequence, digest)
    return replace(vote, digest=digest, signature=driver._key.sign(data))


def _lie(driver, message):
    match message:
        case Vote(phase="prepare" | "commit", digest=digest):
            return _signed(driver, message, digest[::-1])
        case Proposal(vote=vote, batch=batch):
            other = Batch.of(batch.updates[1:])
            return Proposal(_signed(driver, vote, other.digest), other)
    return None


def _send_to(driver, members, message):
    members = list(members)
    lie = _lie(driver, message)
    if lie is not None:
        _truth(driver, [it for it in members if it % 2], lie)
    _truth(driver, members, message)


CouncilDriver._send_to = _send_to
main()
