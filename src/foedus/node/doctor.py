"""`foedus doctor`: named checks of a home, its node and this machine, each with the command that mends what fails.

A check is a function that returns what it found, in words, or raises a FoedusError, whose remedy is then shown.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from msgspec import Struct

from foedus.adapters.websocket_client import DEFAULT_PORT
from foedus.base.clock import Instant
from foedus.base.errors import FoedusError
from foedus.node import doctor_home, doctor_running
from foedus.node.doctor_home import Examined
from foedus.node.home import Home
from foedus.node.store import wall_clock


class Check(Struct, frozen=True):
    """What one check found. ``remedy`` is '' where nothing is to be mended."""

    name: str
    ok: bool
    message: str
    remedy: str


CHECKS: Mapping[str, Callable[[Examined], str]] = {
    "rights": doctor_home.rights,
    "token": doctor_home.token,
    "lock": doctor_home.lock,
    "keys": doctor_home.keys,
    "agents": doctor_home.agents,
    "cryptography": doctor_home.cryptography,
    "database": doctor_home.database,
    "disk": doctor_home.disk,
    "clock": doctor_home.clock,
    "port": doctor_running.port,
    "answers": doctor_running.answers,
    "troubles": doctor_running.troubles,
    "peers' clocks": doctor_running.peers_clocks,
    "checkpoint age": doctor_running.checkpoint_age,
}


def run_checks(home: Home, now: Callable[[], Instant] = wall_clock, port: int = DEFAULT_PORT) -> list[Check]:
    """Run every check and return the results; raises for no state of the home. ``port``: where `foedus up` listens."""
    examined = Examined(home, now, port)
    try:
        found = _run("home", doctor_home.home, examined)
        if not found.ok:
            return [found]
        return [found, *(_run(name, check, examined) for name, check in CHECKS.items())]
    finally:
        examined.close()


def _run(name: str, check: Callable[[Examined], str], examined: Examined) -> Check:
    try:
        return Check(name, ok=True, message=check(examined), remedy="")
    except FoedusError as error:
        return Check(name, ok=False, message=str(error), remedy=error.remedy)
    except Exception as error:  # noqa: BLE001  # whatever a damaged home does, a check that cannot run has failed
        what = f"it could not be checked: {type(error).__name__}: {error}"
        return Check(name, ok=False, message=what, remedy="restore the newest backup of this home folder")
