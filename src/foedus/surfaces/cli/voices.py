"""How a participant speaks: by the key that its node keeps, or by one on this device; with a person's yes if needed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from foedus.base.base64url import from_base64url
from foedus.base.ids import parse_id
from foedus.surfaces.cli.client import Client
from foedus.surfaces.cli.crossing import ask, decided, grants_of, is_done, is_foreign
from foedus.surfaces.cli.devices import device_folder, enrolled, sign, signer_of
from foedus.surfaces.cli.options import PassphraseFile
from foedus.surfaces.cli.signing import Draft
from foedus.surfaces.cli.speaking import membership_of
from foedus.values.node import ParticipantView, Placed
from foedus.values.rooms import RoomView


class Voice(Protocol):
    """A speaker at work."""

    def say(self, room: RoomView, text: str) -> Placed:
        """Say something, or ask for it where it needs a person."""
        ...

    def settle(self, room: RoomView, placed: Placed, wait_s: int) -> Placed:
        """Return where it was said, once a person said yes; as it is if nobody did; raise if one said no."""
        ...


class Custodial:
    """An agent whose key the node keeps: the node cites what is granted, and orders what is allowed."""

    def __init__(self, node: Client, speaker: ParticipantView) -> None:
        self._node = node
        self._speaker = speaker

    def say(self, room: RoomView, text: str) -> Placed:
        """Hand the text to the node."""
        return self._node.post(f"/rooms/{room.room}/messages", Placed, {"text": text, "as": self._speaker.did})

    def settle(self, _room: RoomView, placed: Placed, wait_s: int) -> Placed:
        """Wait until the node has ordered it."""
        view = decided(self._node, placed.approval, wait_s)
        return Placed(id=view.event, stream=placed.stream, seq=0, hlc=[0, 0]) if is_done(view) else placed


class OwnKey:
    """A participant whose key is in this device folder."""

    def __init__(self, node: Client, speaker: ParticipantView, file: PassphraseFile) -> None:
        folder = device_folder()
        entry, self._device = enrolled(folder, speaker)
        self._node = node
        self._speaker = speaker
        self._key = signer_of(node, folder, entry, file)

    def say(self, room: RoomView, text: str) -> Placed:
        """Sign the message; an agent asks first what it has to cite at another node, or for a person's yes."""
        if not is_foreign(self._speaker, room):
            return self._place(room, text, ())
        asked = ask(self._node, self._speaker, room, text)
        if asked.state == "allowed":
            return self._place(room, text, grants_of(asked), from_base64url(asked.salt, "salt"))
        return Placed(id="", stream=f"room:{room.room}", seq=0, hlc=[0, 0], approval=asked.id)

    def _place(self, room: RoomView, text: str, grants: Sequence[bytes], salt: bytes = b"") -> Placed:
        auth = (parse_id(self._device.enrolment), parse_id(membership_of(room, self._speaker)), *grants)
        draft = Draft(self._speaker.did, f"room:{room.room}", "message.text", {"text": text}, auth)
        return self._node.post(f"/rooms/{room.room}/messages", Placed, sign(self._node, self._key, draft, salt))

    def settle(self, room: RoomView, placed: Placed, wait_s: int) -> Placed:
        """Sign what was allowed: the same words and salt, hence the digest that a person signed."""
        view = decided(self._node, placed.approval, wait_s)
        if not is_done(view):
            return placed
        return self._place(room, view.text or "", grants_of(view), from_base64url(view.salt, "salt"))
