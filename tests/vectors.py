"""Official test vectors: data that is read where it lies and never copied into the project."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

_BESIDE_THE_REPOSITORY = Path(__file__).resolve().parents[2] / "shared" / "vectors"


def vectors_folder() -> Path:
    """Return the folder that FOEDUS_VECTORS names, else ``<repo>/../shared/vectors``; it may be absent."""
    return Path(os.environ.get("FOEDUS_VECTORS") or _BESIDE_THE_REPOSITORY)


def load_vectors(name: str) -> Any:
    """Return the parsed JSON file ``name``; skip the test, by that name, where it is absent."""
    path = vectors_folder() / name
    if not path.is_file():
        pytest.skip(f"test vectors {name} are not in {vectors_folder()}")
    return json.loads(path.read_text())
