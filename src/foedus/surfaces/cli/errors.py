"""What the user is told when something fails: a code, what happened, and what to do. Never a traceback."""

from __future__ import annotations

import json
import sys

from foedus.base.errors import FoedusError, Unavailable, UsageError
from foedus.surfaces.cli.text import ARROW, inert

FAILED = 1
MISUSED = 2
INTERRUPTED = 130
"""128 + SIGINT, as shells report it."""
PIPE_BROKEN = 141
"""128 + SIGPIPE: the reader of our output went away; nothing to say, and nobody to say it to."""


class CommandLineError(UsageError):
    """The command was typed wrongly, or lacks a flag where nobody can be asked. Exit code 2."""


class Cancelled(UsageError):
    """The person answered no."""

    code = "cancelled"
    http_status = 409
    remedy = "nothing was changed"


class NotRunning(Unavailable):
    """The command needs the running node of this home."""

    code = "not_running"
    remedy = "start it with `foedus up`"


class BadAnswer(Unavailable):
    """The node answered something that this command does not understand."""

    code = "bad_answer"
    http_status = 502
    remedy = "run `foedus version` and restart the node, so that both are of one version; then `foedus doctor`"


def report(error: FoedusError, *, as_json: bool) -> int:
    """Tell the error, as JSON on stdout or in words on stderr, and return the exit code."""
    if as_json:
        told = {"code": error.code, "message": str(error), "remedy": error.remedy}
        print(json.dumps({"error": told}))
    else:
        print(f"error[{inert(error.code)}]: {inert(str(error))}", file=sys.stderr)
        print(f"{ARROW} {inert(error.remedy)}", file=sys.stderr)
    return MISUSED if isinstance(error, CommandLineError) else FAILED
