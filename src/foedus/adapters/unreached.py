"""Why another node was not reached, in words for people: aiohttp says it with its own settings and Python tuples."""

from __future__ import annotations

import os

import aiohttp


def why(error: Exception) -> str:
    """Return the system's words for an error of a connection, as ``Connection refused``, else the error's own."""
    if isinstance(error, TimeoutError):
        return "it did not answer in time"
    cause = error.os_error if isinstance(error, aiohttp.ClientConnectorError) else error
    if isinstance(cause, OSError) and cause.errno is not None:
        return os.strerror(cause.errno) if cause.errno > 0 else str(cause.strerror)  # below 0: of the name's lookup
    return str(cause) or type(cause).__name__
