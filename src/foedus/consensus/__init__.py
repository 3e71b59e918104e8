"""What do we decide together? Byzantine agreement among the nodes of a council, and proofs of what it decided."""

from foedus.consensus.proof import CommitProof, ProofFailed, Proved, verify_commit_proof

__all__ = ["CommitProof", "ProofFailed", "Proved", "verify_commit_proof"]
