"""Run the server by hand: `python -m server`, then curl it from another terminal."""

import argparse
import signal
import sys
import time
from collections.abc import Callable

from server.app import create_app
from server.local import LocalServer

MAX_KEEP_ALIVE = 3600


def main(arguments: list[str] | None = None) -> int:
    """Serve until Ctrl-C or SIGTERM. Return the exit status: 0, or 2 if it cannot start."""
    parser = argparse.ArgumentParser(prog="python -m server", description=__doc__)
    parser.add_argument(
        "--port",
        type=_whole_number(0, 65535),
        default=0,
        help="port on 127.0.0.1; 0, the default, takes a free one",
    )
    parser.add_argument(
        "--keep-alive",
        type=_whole_number(0, MAX_KEEP_ALIVE),
        default=5,
        metavar="SECONDS",
        help="how long an idle connection is kept (uvicorn's timeout_keep_alive; default: 5)",
    )
    parser.add_argument(
        "--seed",
        type=_whole_number(0, 2**32 - 1),
        default=0,
        help="schedule of /faults/flaky where a request names none (default: 0)",
    )
    options = parser.parse_args(arguments)

    caught: list[int] = []
    for name in ("SIGINT", "SIGTERM", "SIGBREAK"):  # the last one is Windows' Ctrl-Break
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), lambda number, frame: caught.append(number))

    try:
        server = LocalServer(
            create_app(options.seed), port=options.port, timeout_keep_alive=options.keep_alive
        )
        server.start()
    except (OSError, RuntimeError) as exc:
        problem = exc.strerror if isinstance(exc, OSError) else exc
        print(f"python -m server: {problem}", file=sys.stderr)
        return 2
    with server:
        print(_greeting(server.url), flush=True)
        # Windows does not interrupt a longer wait.
        while not caught and server.running:
            time.sleep(0.1)
    return 0


def _whole_number(low: int, high: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        if not text.isascii() or not text.isdecimal() or not low <= int(text) <= high:
            raise argparse.ArgumentTypeError(
                f"must be a whole number from {low} to {high}, not {text!r}"
            )
        return int(text)

    return parse


def _greeting(url: str) -> str:
    # A proxy that HTTP_PROXY names would not find this machine's loopback.
    curl = 'curl --noproxy "*"'
    return f"""\
Listening on {url} (Ctrl-C stops it). From another terminal, try:

  {curl} {url}/
  {curl} --no-buffer "{url}/drip?pieces=5&gap=0.5&size=10"
  {curl} {url}/faults/truncated
"""


if __name__ == "__main__":
    sys.exit(main())
