"""Who? Identity records and their branches, recovery keys, DIDs, and the manifest. No I/O."""
