"""Agreements after the starter: what a document says, what two chains make of it, and what it lets through. No I/O."""
