"""The `foedus` command: the tree of commands, and the boundary where every error becomes words and an exit code."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Sequence
from typing import Any

from cyclopts import App, CycloptsError, Parameter

from foedus import __version__
from foedus.base.errors import FoedusError, UsageError
from foedus.surfaces.cli import (
    agreements,
    approvals,
    asking,
    audit,
    calls,
    capabilities,
    councils,
    crdts,
    credentials,
    device_commands,
    erasing,
    grants,
    keys,
    knowledge,
    logs,
    mcp,
    names,
    nodes,
    pairing,
    participants,
    passkeys,
    peers,
    policy,
    proofs,
    retention,
    rooms,
    running,
    speaking,
    standing,
    tasks,
    webhooks,
)
from foedus.surfaces.cli.errors import INTERRUPTED, PIPE_BROKEN, CommandLineError, report
from foedus.surfaces.cli.text import ERRORS

app = App(
    name="foedus",
    help="A node for signed federation between sovereign people, teams and companies.\n\nStart with `foedus init`, "
    "then `foedus up`. Every command has --json and --home.",
    help_format="plaintext",
    default_parameter=Parameter(show_default=False),
    version=f"foedus {__version__}",
    version_flags=["--version"],
    suppress_keyboard_interrupt=False,
)
app.command(nodes.init)
app.command(running.up)
app.command(nodes.show_id, name="id")
app.command(nodes.status)
app.command(nodes.doctor)
app.command(nodes.demo)
app.command(nodes.version)
app.command(peers.app)
app.command(agreements.app)
app.command(participants.app)
app.command(pairing.app)
app.command(device_commands.app)
app.command(passkeys.app)
app.command(rooms.app)
app.command(crdts.app)
app.command(knowledge.app)
app.command(tasks.app)
app.command(names.app)
app.command(credentials.app)
app.command(credentials.vouch)
app.command(speaking.say, usage=speaking.USAGE)
app.command(councils.app)
app.command(capabilities.app)
app.command(calls.app)
app.command(webhooks.app)
app.command(mcp.app)
app.command(asking.ask)
app.command(asking.trace)
app.command(asking.topology)
app.command(grants.app)
app.command(approvals.app)
app.command(erasing.erase)
app.command(retention.app)
app.command(standing.app)
app.command(standing.explain)
app.command(logs.app)
app.command(audit.app)
app.command(proofs.app)
app.command(keys.app)
app.command(policy.app)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code: 0 done, 1 failed, 2 misused, 130 interrupted."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    _prepare_streams()
    try:
        return _run(arguments)
    except KeyboardInterrupt:
        return INTERRUPTED
    except (BrokenPipeError, SystemExit):  # rich makes the latter of the former
        return _forget_stdout()
    except FoedusError as error:
        return _report(error, arguments)
    except OSError as error:
        return _report(_unusable(error), arguments)
    except Exception as error:  # noqa: BLE001  # the last boundary: a user never sees a traceback
        return _report(_internal(error), arguments)


def _run(arguments: list[str]) -> int:
    for place, argument in enumerate(arguments, 1):
        if not argument.isprintable() and _is_garbled(argument):
            raise CommandLineError(f"argument {place} is not UTF-8", remedy="check the terminal's encoding")
    try:
        result: Any = app(arguments, exit_on_error=False, print_error=False, result_action="return_value")
    except CycloptsError as error:
        raise CommandLineError(_told(error), remedy=_help_for(error)) from None
    sys.stdout.flush()
    return result if isinstance(result, int) else 0


def _is_garbled(argument: str) -> bool:
    """Whether the argument held bytes that are not UTF-8 (Python hands them over as lone surrogates)."""
    try:
        argument.encode()
    except UnicodeEncodeError:
        return True
    return "\0" in argument


def _told(error: CycloptsError) -> str:
    return str(error).strip().split("\n")[0]


def _help_for(error: CycloptsError) -> str:
    return f"see `{' '.join(['foedus', *(error.command_chain or ())])} --help`"


def _unusable(error: OSError) -> FoedusError:
    """Say of a file or folder that it cannot be used: a folder in place of a file, say, or one of somebody else."""
    what = f"{error.filename}: {error.strerror}" if error.filename else str(error)
    return UsageError(what, code="unusable_file", remedy="name a file that this user can read or write")


def _internal(error: Exception) -> FoedusError:
    return FoedusError(f"{type(error).__name__}: {error}")


def _report(error: FoedusError, arguments: list[str]) -> int:
    options = arguments[: arguments.index("--")] if "--" in arguments else arguments
    try:
        return report(error, as_json="--json" in options)
    except BrokenPipeError:
        return _forget_stdout()


def _prepare_streams() -> None:
    """Let a terminal that is not UTF-8 show symbols by their ASCII spelling."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=ERRORS)


def _forget_stdout() -> int:
    """Keep Python from flushing into the broken pipe at its end, which would print a traceback."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return PIPE_BROKEN


if __name__ == "__main__":
    sys.exit(main())
