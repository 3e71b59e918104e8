"""What do we decide together? Byzantine agreement among the nodes of a council, and proofs of what it decided."""
