"""What a user touches: the command line, the HTTP interface. Parse, call the node, show; no decisions."""
