"""Which nodes a person's devices are paired with: one private file (0600) each in ``profiles/`` of the device folder.

A profile holds the bearer token, which serves only with the device's key beside it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from foedus.adapters.key_files import DamagedKeyFile, read_private, write_private

if TYPE_CHECKING:
    from pathlib import Path

_FOLDER = "profiles"


class Profile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A device paired with a node. ``node`` and ``device`` in hex; ``name``: that of the key in the folder."""

    url: str
    node: str
    did: str
    device: str
    name: str
    token: str

    def __repr__(self) -> str:
        """Never show the token."""
        return f"Profile({self.name!r}, {self.url!r})"


def save_profile(folder: Path, profile: Profile) -> None:
    """Keep a profile, durably, in place of a former one of the same device."""
    data = msgspec.json.format(msgspec.json.encode(profile), indent=2) + b"\n"
    write_private(folder / _FOLDER / f"{profile.device}.json", data)


def profiles(folder: Path) -> list[Profile]:
    """Return all profiles of a device folder, by name; raise DamagedKeyFile, or as ``read_private`` does."""
    found = []
    for path in sorted((folder / _FOLDER).glob("*.json")):
        try:
            found.append(msgspec.json.decode(read_private(path), type=Profile))
        except msgspec.DecodeError:
            raise DamagedKeyFile(f"{path} is not a profile") from None
    return sorted(found, key=lambda profile: profile.name)
