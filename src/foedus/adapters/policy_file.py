"""The policy file of a home folder, read: foedus.toml is the operator's, so foedus never writes it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from foedus.trust.policy_text import NOTHING, POLICY_BYTES_MAX, BadPolicy, Loaded, parse

if TYPE_CHECKING:
    from pathlib import Path


def read_policy(path: Path) -> Loaded:
    """Return what the file says, the defaults where there is none; raise BadPolicy."""
    if path.exists() and not path.is_file():  # a pipe would be waited for, by the whole node
        raise BadPolicy(f"{path} is no file", remedy="put a file in its place, or nothing: then the defaults hold")
    try:
        with path.open("rb") as file:
            data = file.read(POLICY_BYTES_MAX + 1)
    except FileNotFoundError:
        return NOTHING
    except OSError as error:
        raise BadPolicy(f"{path} cannot be read: {error.strerror}", remedy="let this user read the file") from None
    if len(data) > POLICY_BYTES_MAX:
        remedy = "shorten it; `foedus policy show` lists all options"
        raise BadPolicy(f"{path} has more than {POLICY_BYTES_MAX} bytes", remedy=remedy)
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise BadPolicy(f"{path}, line {line}: this is not UTF-8", remedy="save the file as UTF-8") from None
    return parse(text, str(path))
