"""Values as a node would show them."""

import hashlib
from typing import Any

import msgspec

from foedus.values.node import PeerView
from foedus.values.rooms import EventView, MessageView

NODE = "aa" * 32
EPOCH = "ee" * 32
STORE = "store1"


def hex_id(*parts):
    return hashlib.sha256(repr(parts).encode()).hexdigest()


def a_peer(node, **changes):
    values: dict[str, Any] = {
        "node": node,
        "name": f"node {node[:4]}",
        "name_clash": [],
        "state": "incoming",
        "tier": "UNKNOWN",
        "their_tier": None,
        "note": "",
        "url": "",
        "endpoints": [],
        "requested_at": 1,
        "connected_at": None,
        "last_seen": None,
        "paused": False,
        "link": "none",
        "link_error": "",
        "lag": 0,
        "sent": 0,
        "received": 0,
        "refused": {},
        "clock_offset_us": None,
        "epoch": EPOCH,
        "epoch_number": 0,
        "held_epoch": None,
    }
    optional = {f.name: f.default for f in msgspec.structs.fields(PeerView) if f.required and f.name not in values}
    return PeerView(**{**dict.fromkeys(optional, ""), **values, **changes})


def an_event(seq, stream="room:x", text="hello", author=NODE):
    cursor = f"{STORE}.{seq}"
    event_id = hex_id(seq, stream, text)
    common = {"id": event_id, "stream": stream, "seq": seq, "hlc": [seq, 0], "at": seq, "author": author}
    message = None
    if stream.startswith("room:"):
        message = MessageView(
            **common,
            room=stream.removeprefix("room:"),
            text=text,
            author_name=author[:20],
            author_kind="agent",
            node=NODE,
            node_name="fake",
            verified=True,
            why_not="",
            refs=[],
            cursor=cursor,
        )
    return EventView(
        **common,
        epoch=EPOCH,
        node=NODE,
        prev=None,
        kind="message.text",
        verdict="accepted",
        reason="",
        withheld="",
        body=None,
        message=message,
        cursor=cursor,
    )
