"""How two logs meet: the link's handshake and frames, and which events still have to pass. No I/O.

Bodies and events are opaque here. ``transitions.py`` holds the state machines as tables, from which
docs/link-states.md is drawn. docs/protocol.md section 5 is the format.
"""
