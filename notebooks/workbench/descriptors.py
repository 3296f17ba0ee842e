"""A process that has no file descriptor left, as a service that leaks them. Lessons call it."""

import os
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def no_descriptor_left() -> Iterator[None]:
    """Let this process open nothing while the block runs: no file, no socket.

    What was open stays open. Raises `ModuleNotFoundError` on Windows, which has no such limit.
    """
    import resource  # only where it is needed: Windows has none

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    lowest_free = os.dup(0)
    os.close(lowest_free)
    resource.setrlimit(resource.RLIMIT_NOFILE, (lowest_free, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
