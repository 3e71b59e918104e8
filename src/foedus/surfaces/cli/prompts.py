"""Questions to the person. Each has a flag; where nobody sits at the keyboard the flag must be given."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from foedus.base.errors import FoedusError
from foedus.surfaces.cli.errors import Cancelled, CommandLineError
from foedus.surfaces.cli.text import inert

FILE_MAX = 65_536
"""Bytes read of a file that holds a passphrase, words, keys or a message: the largest body."""
_STANDARD_INPUT = Path("-")


def confirm(question: str, *, yes: bool, flag: str = "--yes") -> None:
    """Return if the person agrees, or said so before by ``flag``; raise Cancelled otherwise."""
    if yes:
        return
    refuse_unless_asked(question, f"add {flag} to agree beforehand")
    if _ask(f"{question} [y/N] ").strip().lower() not in {"y", "yes"}:
        raise Cancelled("not confirmed")


def refuse_unless_asked(question: str, remedy: str) -> None:
    """Raise CommandLineError where no terminal is there to answer ``question``."""
    if not sys.stdin.isatty():
        raise CommandLineError(f"nobody is here to answer: {question}", remedy=remedy)


def passphrase(name: str, file: Path | None, *, fresh: bool = False) -> str:
    """Return the passphrase of the device key ``name``; asked for twice where it is ``fresh``."""
    if (given := given_passphrase(file)) is not None:
        return given
    refuse_unless_asked(f"Passphrase of {name}?", "set FOEDUS_PASSPHRASE, or give --passphrase-file")
    from getpass import getpass

    typed = getpass(f"Passphrase of {inert(name)}: ", stream=sys.stderr)
    if fresh and getpass("Once more: ", stream=sys.stderr) != typed:
        raise Cancelled("the two passphrases differ", remedy="nothing was changed; run the command again")
    return typed


def given_passphrase(file: Path | None) -> str | None:
    """Return the passphrase that was given without a prompt, or None."""
    if file is not None:
        return read_text(file).rstrip("\r\n")
    return os.environ.get("FOEDUS_PASSPHRASE") or None


def recovery_words(file: Path | None) -> str:
    """Return the recovery words as typed."""
    if file is not None:
        return read_text(file)
    if given := os.environ.get("FOEDUS_RECOVERY_WORDS"):
        return given
    refuse_unless_asked("The 24 recovery words?", "give --words-file, or set FOEDUS_RECOVERY_WORDS")
    return _ask("The 24 recovery words, with spaces between: ")


def read_text(file: Path, limit: int = FILE_MAX) -> str:
    """Return the text of a small file ('-': standard input); raise CommandLineError."""
    try:
        if file == _STANDARD_INPUT:
            data = sys.stdin.buffer.read(limit + 1)
        else:
            with file.open("rb") as opened:
                data = opened.read(limit + 1)
        text = data.decode()
    except OSError as error:
        raise CommandLineError(f"{file}: {error.strerror}", remedy="name a file that can be read") from None
    except UnicodeDecodeError:
        raise CommandLineError(f"{file} is not text", remedy="give UTF-8") from None
    if len(data) > limit:
        raise CommandLineError(f"{file} is longer than {limit} bytes", remedy="name the right file")
    return text


def _ask(question: str) -> str:
    """Print the question to stderr and return the answer; '' at the end of input."""
    print(inert(question), end="", file=sys.stderr, flush=True)
    try:
        return sys.stdin.readline()
    except UnicodeDecodeError:
        raise FoedusError("what was typed is not UTF-8", code="bad_encoding", remedy="check the terminal") from None
