"""Measure what server and notebooks cost: `python tests/benchmarks/run.py`, a table of ratios.

Nothing of this is asserted in the suite. Each pair is measured alternately, so that a machine that
is busy for a while is so for both; the ratio is the median of the pairs' ratios. Requests are made
by wrk where it is installed (Debian's package `wrk`), else by a small generator of ours, whose
ratios are nearer to 1, since it takes its share of the time.
"""

import argparse
import re
import shutil
import socket
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable

import psutil

import notebooks

CONNECTIONS = 8
BARE = """
import sys, uvicorn
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route

async def status(request):
    return JSONResponse({"status": 200})

app = Starlette(routes=[Route("/status", status)])
uvicorn.run(app, port=int(sys.argv[1]), http="h11", ws="none", loop="asyncio",
            log_config=None, log_level="critical", access_log=False)
"""
OURS = """
import sys, threading
from server.local import LocalServer
server = LocalServer(port=int(sys.argv[1]))
server.start()
threading.Event().wait()
"""


class Served:
    """A server in a process of its own, inside a `with` block; `url` is where it answers."""

    def __init__(self, program: str) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}/status"
        self._program = program

    def __enter__(self) -> "Served":
        self._process = subprocess.Popen([sys.executable, "-c", self._program, str(self.port)])
        deadline = time.monotonic() + 20
        while self._process.poll() is None and time.monotonic() < deadline:
            try:
                socket.create_connection(("127.0.0.1", self.port)).close()
            except ConnectionRefusedError:
                time.sleep(0.02)
            else:
                return self
        self._process.terminate()
        raise RuntimeError("the server did not start")

    def cpu_seconds(self) -> float:
        """Return how long the server has computed so far."""
        times = psutil.Process(self._process.pid).cpu_times()
        return times.user + times.system

    def __exit__(self, *exc_info: object) -> None:
        self._process.terminate()
        self._process.wait()


def requests_per_second(served: Served, seconds: float) -> float:
    """Return how many requests per second the server answers on eight connections."""
    if shutil.which("wrk"):
        command = ["wrk", f"-c{CONNECTIONS}", "-t1", f"-d{seconds:g}s", served.url]
        said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        return float(re.search(r"Requests/sec:\s+([\d.]+)", said).group(1))
    counts = [0] * CONNECTIONS
    ends = time.perf_counter() + seconds

    def ask(number: int) -> None:
        with socket.create_connection(("127.0.0.1", served.port)) as sock:
            while time.perf_counter() < ends:
                sock.sendall(b"GET /status HTTP/1.1\r\nHost: localhost\r\n\r\n")
                answer = b""
                while not answer.endswith(b"}"):
                    answer += sock.recv(4096)
                counts[number] += 1

    threads = [threading.Thread(target=ask, args=(n,)) for n in range(CONNECTIONS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(counts) / seconds


def requests_per_cpu_second(served: Served, seconds: float) -> float:
    """Return how many requests the server answers per second of its own processor time.

    On a machine that has other work to do this is steadier than `requests_per_second`.
    """
    before, began = served.cpu_seconds(), time.perf_counter()
    rate = requests_per_second(served, seconds)
    return rate * (time.perf_counter() - began) / (served.cpu_seconds() - before)


def start_and_stop_ours() -> None:
    """Start the course's server and stop it."""
    from server.local import LocalServer

    with LocalServer():
        pass


def start_and_stop_bare() -> None:
    """Start uvicorn in a thread, as its documentation has it, and stop it."""
    import uvicorn
    from starlette.applications import Starlette

    config = uvicorn.Config(Starlette(), port=0, http="h11", ws="none", log_config=None)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.001)
    server.should_exit = True
    thread.join()


def seconds_taken(function: Callable[[], None]) -> float:
    """Return how long one call takes."""
    began = time.perf_counter()
    function()
    return time.perf_counter() - began


def row(what: str, unit: str, pairs: list[tuple[float, float]]) -> str:
    """Return a line of the table, from pairs of (ours, bare)."""
    ours, bare = (statistics.median(side) for side in zip(*pairs, strict=True))
    ratio = statistics.median(our / its for our, its in pairs)
    return f"{what:<36} {ours:>10.1f} {bare:>10.1f} {unit:<5} {ratio:>6.2f}"


def main() -> None:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--pairs", type=int, default=7, help="pairs of runs (default: 7)")
    parser.add_argument("--seconds", type=int, default=2, help="a run takes (default: 2)")
    options = parser.parse_args()

    print(f"{'':<36} {'ours':>10} {'bare':>10} {'':<5} {'ratio':>6}")
    with Served(OURS) as ours, Served(BARE) as bare:
        for served in (ours, bare):
            requests_per_second(served, 1)  # warm
        for what, measured in (
            ("GET /status, a second", requests_per_second),
            ("GET /status, a second of its CPU", requests_per_cpu_second),
        ):
            rates = [
                (measured(ours, options.seconds), measured(bare, options.seconds))
                for _ in range(options.pairs)
            ]
            print(row(what, "1/s", rates), flush=True)
    for function in (start_and_stop_ours, start_and_stop_bare):
        function()
    times = [
        (seconds_taken(start_and_stop_ours) * 1000, seconds_taken(start_and_stop_bare) * 1000)
        for _ in range(options.pairs)
    ]
    print(row("start and stop", "ms", times), flush=True)
    by_clock, of_cpu = zip(*notebooks.measure(), strict=True)
    print(row("every notebook; their imports alone", "s", [by_clock]), flush=True)
    if all(of_cpu):
        print(row("every notebook; imports, of CPU", "s", [of_cpu]))


if __name__ == "__main__":
    main()
