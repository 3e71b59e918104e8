"""Who vouches for what: W3C Verifiable Credentials 2.0 with Data Integrity proofs, and their revocation."""
