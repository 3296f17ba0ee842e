"""Gates: a request waits at one until the lesson opens it.

They let a lesson decide when an answer comes, where a sleep would only make it likely.
"""

import asyncio
import threading
from collections import OrderedDict

KEPT_OPEN = 10_000


class Gates:
    """Named gates, closed until opened. Any thread may open one; the server's loop waits.

    A gate that was opened stays open, as one of the last `kept` that were; an earlier one is
    forgotten, that is closed. `waiting(name)` counts who stands at it.
    """

    def __init__(self, kept: int = KEPT_OPEN) -> None:
        self._kept = kept
        self._lock = threading.Lock()
        self._open: OrderedDict[str, None] = OrderedDict()
        self._waiting: dict[str, list[tuple[asyncio.AbstractEventLoop, asyncio.Future]]] = {}

    def open(self, name: str) -> int:
        """Open a gate and return how many requests were let through."""
        with self._lock:
            self._open[name] = None
            self._open.move_to_end(name)
            if len(self._open) > self._kept:
                self._open.popitem(last=False)
            waiting = self._waiting.pop(name, [])
        for loop, future in waiting:
            loop.call_soon_threadsafe(_release, future)
        return len(waiting)

    def close(self, name: str) -> None:
        """Close a gate again, for requests that come from now on."""
        with self._lock:
            self._open.pop(name, None)

    def waiting(self, name: str) -> int:
        """Return how many requests wait at a gate."""
        with self._lock:
            return len(self._waiting.get(name, []))

    async def reached(self, name: str, count: int = 1, timeout: float = 5.0) -> None:
        """Wait, on the caller's event loop, until `count` requests stand at a gate.

        Raises `TimeoutError` after `timeout` seconds.
        """
        async with asyncio.timeout(timeout):
            while self.waiting(name) < count:
                await asyncio.sleep(0.001)

    async def passed(self, name: str) -> None:
        """Wait until the gate is open."""
        loop = asyncio.get_running_loop()
        with self._lock:
            if name in self._open:
                return
            future = loop.create_future()
            self._waiting.setdefault(name, []).append((loop, future))
        try:
            await future
        finally:
            with self._lock:
                waiting = self._waiting.get(name, [])
                if (loop, future) in waiting:  # not let through: its client has left
                    waiting.remove((loop, future))
                    if not waiting:
                        del self._waiting[name]


def _release(future: asyncio.Future) -> None:
    if not future.done():
        future.set_result(None)
