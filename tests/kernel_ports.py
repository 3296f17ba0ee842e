"""Ports for the kernels that the tests start, which no test can take in the meantime.

jupyter_client asks the system for free ports and gives them back; the kernel binds them a moment
later. Four workers that open connections all the time take one of them now and then: the kernel
dies of `Address already in use`, and its notebook is red after a minute. So these ports are below
those that Linux, macOS and Windows give out by themselves (32768 or 49152 and more).
"""

import itertools
import os
import socket

from jupyter_client.connect import LocalPortCache

FIRST, EACH = 20_000, 1_000


def own_ports(worker: str, process: int) -> itertools.cycle:
    """Return the ports of a worker, such as "gw2", in turn; where to begin depends on `process`."""
    first = FIRST + EACH * (int(worker.removeprefix("gw") or 0) % 10)
    begin = process * 7 % EACH
    return itertools.cycle([*range(first + begin, first + EACH), *range(first, first + begin)])


def use_own_ports() -> None:
    """Have jupyter_client take a kernel's ports from this worker's own, from now on."""
    ports = own_ports(os.environ.get("PYTEST_XDIST_WORKER", "gw0"), os.getpid())

    def find_available_port(cache: LocalPortCache, ip: str) -> int:
        for port in itertools.islice(ports, EACH):
            with socket.socket() as probe:
                try:
                    probe.bind((ip, port))
                except OSError:
                    continue
            cache.currently_used_ports.add(port)
            return port
        raise OSError(f"none of the {EACH} ports for kernels is free")

    LocalPortCache.find_available_port = find_available_port
