"""What our own tokens may hold: no floats, as in all bytes that foedus signs."""

from __future__ import annotations

from typing import Any


def refuse_floats(value: Any) -> None:
    """Raise ValueError where a float is in ``value``; ratios are integers in millionths."""
    if isinstance(value, float):
        raise ValueError("floats have no place in signed bytes")  # noqa: TRY004  # a value that cannot be signed
    if isinstance(value, dict | list):
        for item in value.values() if isinstance(value, dict) else value:
            refuse_floats(item)
