"""What was decided here, in a chain that cannot be edited unseen: rows, their gathering, seals, and verification."""
