"""Checks of signatures by PyNaCl alone: what one thread does, and what two processes at once do on this machine.

The second is the ceiling of whatever checks signatures on two cores: 2 where each core is whole. `python -m
bench.raw_checks` is one such process: each line on its standard input is for how many seconds it should check, and
it answers with its rate.
"""

from __future__ import annotations

import secrets
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from statistics import median

from nacl.bindings import crypto_sign_open

from bench.world import World
from foedus.base.cbor import split_frames
from foedus.base.limits import BATCH_EVENTS_MAX
from foedus.crypto.ed25519 import Ed25519Key

_TURN_S = 0.3
_SIZES = (504, 417)
"""Bytes that the node and the device of an event sign."""
_BETWEEN_LOOKS = 64


class Raw:
    """Checks in one thread: those of real events."""

    def __init__(self, world: World, batch: bytes) -> None:
        checks = world.checks(split_frames(batch, BATCH_EVENTS_MAX))
        self._signed = [(signature + message, public) for public, message, signature in checks]
        self.rates: list[float] = []
        self.costs_us: list[float] = []
        """Processor time of a check in each slice."""

    def slice(self) -> None:
        """Measure once more."""
        begun, spent = time.perf_counter(), time.thread_time()
        for _ in range(2):
            for signed, public in self._signed:
                crypto_sign_open(signed, public)
        count = 2 * len(self._signed)
        self.costs_us.append((time.thread_time() - spent) * 1e6 / count)
        self.rates.append(count / (time.perf_counter() - begun))


class RawPair:
    """Two processes that do nothing else."""

    def __init__(self, processes: Sequence[subprocess.Popen[str]]) -> None:
        self._processes = processes
        self._ratios: list[float] = []

    def turn(self) -> None:
        """Let one check, and then both at once."""
        (alone,) = self._rates(self._processes[:1])
        self._ratios.append(sum(self._rates(self._processes)) / alone)

    @property
    def ratio(self) -> float:
        """Checks a second of two at once, as a part of those of one: the median of the turns."""
        return median(self._ratios)

    @staticmethod
    def _rates(processes: Sequence[subprocess.Popen[str]]) -> list[float]:
        for process in processes:
            assert process.stdin is not None
            process.stdin.write(f"{_TURN_S}\n")
            process.stdin.flush()
        return [float(process.stdout.readline()) for process in processes if process.stdout is not None]


@contextmanager
def raw_pair() -> Iterator[RawPair]:
    """Start two processes that check when they are told to."""
    command = [sys.executable, "-m", "bench.raw_checks"]
    with ExitStack() as stack:
        processes = []
        for _ in range(2):
            process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            stack.callback(process.wait)
            stack.callback(process.kill)
            processes.append(process)
        yield RawPair(processes)


def _rate(signed: Sequence[tuple[bytes, bytes]], seconds: float) -> float:
    count, begun = 0, time.perf_counter()
    while (spent := time.perf_counter() - begun) < seconds:
        for message, public in signed:
            crypto_sign_open(message, public)
        count += len(signed)
    return count / spent


def main() -> None:
    """Answer each line until the input ends."""
    key = Ed25519Key(secrets.token_bytes(32))
    messages = [secrets.token_bytes(_SIZES[number % 2]) for number in range(_BETWEEN_LOOKS)]
    signed = [(key.sign(message) + message, key.public) for message in messages]
    for line in sys.stdin:
        print(_rate(signed, float(line)), flush=True)


if __name__ == "__main__":
    main()
