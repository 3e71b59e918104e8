"""An event loop without a world: its clock jumps to the next timer, its executors run inline.

So a minute of a node's life costs what its callbacks cost, and the same callbacks run in the same order each time.
"""

import asyncio
import gc
from concurrent.futures import Executor, Future


class Stuck(AssertionError):
    """Nothing is ready and no timer is set, but the main coroutine is not done: something waits for ever."""


class InlineExecutor(Executor):
    """Runs what is submitted at once, in the caller's thread. Takes the arguments of ThreadPoolExecutor."""

    def __init__(self, *_args, **_options):
        self._closed = False

    def submit(self, fn, /, *args, **kwargs):
        future = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except BaseException as error:  # noqa: BLE001  # the caller's, who reads it from the future
            future.set_exception(error)
        return future


class VirtualLoop(asyncio.BaseEventLoop):
    """The loop is its own selector: waiting for I/O, of which there is none, moves the clock."""

    def __init__(self):
        super().__init__()
        self._now = 0.0
        self._selector = self
        self._clock_resolution = 1e-9

    def time(self):
        return self._now

    def select(self, timeout):
        if timeout is None:
            raise Stuck("nothing is ready, and no timer is set")
        self._now += max(0.0, timeout)
        return []

    def run_in_executor(self, _executor, func, *args):
        return asyncio.wrap_future(InlineExecutor().submit(func, *args), loop=self)

    def _process_events(self, _events):
        pass

    def _write_to_self(self):
        pass


def run(make_main):
    """Run ``make_main(loop)`` to its end, then cancel what it left."""
    loop = VirtualLoop()
    gc.disable()
    try:
        return loop.run_until_complete(make_main(loop))
    finally:
        left = sorted(asyncio.all_tasks(loop), key=lambda task: task.get_name())
        for task in left:
            task.cancel()
        loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))
        loop.close()
        gc.enable()
