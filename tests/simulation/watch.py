"""Mistakes that nobody reports: logged errors, exceptions in callbacks, tasks that died."""

import logging
from contextlib import contextmanager
from pathlib import Path

from tests.simulation.life import CURRENT


class Watch(logging.Handler):
    """Makes a failure of every mistake of a living node; warnings go to the trace."""

    def __init__(self, world):
        super().__init__(logging.WARNING)
        self._world = world
        self._raised = []

    def _failed(self, life, what):
        if life is None or not life.dead:
            self._world.failed(f"{life.place if life else 'the world'}: {what}")

    def emit(self, record):
        if record.levelno < logging.ERROR:
            self._world.trace(record.getMessage()[:100])
        else:
            error = record.exc_info[1] if record.exc_info else None
            self._failed(CURRENT.get(), f"logged {record.getMessage()!r} {described(error)}")

    def uncaught(self, context):
        """Take what the event loop tells of an exception in a callback."""
        handle = context.get("handle")
        life = CURRENT.get() if handle is None else handle._context.get(CURRENT)
        self._failed(life, f"{context['message']} {described(context.get('exception'))}")

    def task_done(self, task, life):
        if task._exception is not None and not (life is not None and life.dead):
            self._raised.append((task, life))

    def check_tasks(self):
        """Make a failure of each task that raised what nobody took; looking does not count as taking."""
        for task, life in self._raised:
            if task._log_traceback:
                self._world.failed(f"{life and life.place}: task {task.get_name()} died: {described(task._exception)}")
            task._log_traceback = False
        self._raised.clear()

    @contextmanager
    def on_logs(self):
        logger = logging.getLogger("foedus")
        logger.addHandler(self)
        try:
            yield
        finally:
            logger.removeHandler(self)


def described(error):
    """Return an exception with the place in the code where it was raised."""
    if error is None:
        return ""
    trace = error.__traceback__
    while trace is not None and trace.tb_next:
        trace = trace.tb_next
    where = f" {Path(trace.tb_frame.f_code.co_filename).name}:{trace.tb_lineno}" if trace else ""
    return f"{error!r}{where}"
