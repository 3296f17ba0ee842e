"""`python -m server`, as one runs it by hand."""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from contextlib import contextmanager

import httpx
import pytest

from server import __main__
from server.faults.flaky import fails
from server.local import LocalServer

COMMAND = [sys.executable, "-X", "dev", "-W", "error::ResourceWarning", "-m", "server"]
posix = pytest.mark.skipif(os.name != "posix", reason="sends signals to a process")


@contextmanager
def running(*options, **environment):
    """Run the command; yield the process, its URL and what it printed. Kills it if need be."""
    process = subprocess.Popen(
        [*COMMAND, *options],
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
    )
    try:
        lines = []
        while len([line for line in lines if "curl" in line]) < 3:
            line = process.stdout.readline()
            assert line, process.stderr.read()
            lines.append(line)
        yield process, re.search(r"http://127\.0\.0\.1:\d+", lines[0])[0], lines
    finally:
        process.kill()
        process.communicate()


def paths(ledger):
    """The paths of the requests in the answer of /ledger."""
    return [event["path"] for event in ledger["events"] if event["kind"] == "request"]


def get(url):
    with httpx.Client(verify=False, timeout=20) as client:
        return client.get(url)


@posix
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_serves_until_it_is_told_to_stop(number):
    with running() as (process, url, _):
        assert get(url + "/echo").status_code == 200
        address = ("127.0.0.1", int(url.rpartition(":")[2]))
        with socket.create_connection(address, timeout=20) as sock:  # a request is in flight
            sock.sendall(b"GET /faults/silence HTTP/1.1\r\nHost: localhost\r\n\r\n")
            while "/faults/silence" not in paths(get(url + "/ledger").json()):
                pass
            process.send_signal(number)
            process.send_signal(number)  # an impatient second one changes nothing
            _, err = process.communicate(timeout=20)
    assert process.returncode == 0
    assert "Traceback" not in err
    assert "ResourceWarning" not in err
    with pytest.raises(httpx.ConnectError):
        get(url)


def test_seed_is_the_flaky_routes():
    with running("--seed", "11") as (_, url, _):
        answers = [get(url + "/faults/flaky").status_code for _ in range(12)]
    assert answers == [503 if fails(11, 0.5, k) else 200 for k in range(1, 13)]


def test_port_and_keep_alive_are_the_servers(monkeypatch, capsys):
    asked = {}

    def start(app, **options):
        asked.update(options)
        raise RuntimeError("not now")

    monkeypatch.setattr(__main__, "LocalServer", start)
    monkeypatch.setattr(signal, "signal", lambda number, handler: None)
    assert __main__.main(["--port", "8765", "--keep-alive", "7"]) == 2
    assert asked == {"port": 8765, "timeout_keep_alive": 7}
    assert capsys.readouterr() == ("", "python -m server: not now\n")


@pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl")
def test_printed_curl_lines_work_beside_a_dead_proxy():
    dead = dict.fromkeys(("HTTP_PROXY", "http_proxy", "ALL_PROXY"), "http://127.0.0.1:9")
    environment = {name: value for name, value in os.environ.items() if "proxy" not in name.lower()}
    with running(**dead) as (_, _, lines):
        commands = [line.strip() for line in lines if "curl" in line]
        done = [
            subprocess.run(
                command + " --silent",
                shell=True,
                env=environment | dead,
                capture_output=True,
                timeout=30,
            )
            for command in commands
        ]
    assert [process.returncode for process in done] == [0, 0, 18]  # 18: cut short, as it is meant
    assert b"misbehaves" in done[0].stdout
    assert done[1].stdout == b"x" * 50
    assert done[2].stdout == b"x" * 10


def test_taken_port_is_one_line():
    with LocalServer() as server:
        port = server.port
        command = [*COMMAND, "--port", str(port)]
        done = subprocess.run(command, capture_output=True, encoding="utf-8", timeout=30)
    assert done.returncode == 2
    assert done.stdout == ""
    [line] = done.stderr.splitlines()
    assert line.startswith(f"python -m server: cannot listen on 127.0.0.1:{port}: ")


@pytest.mark.parametrize(
    "options",
    [
        ["--port", "65536"],
        ["--port", "-1"],
        ["--keep-alive", "1.5"],
        ["--keep-alive", "3601"],
        ["--seed", "x"],
        ["--seed", str(2**32)],
    ],
)
def test_bad_option_says_what_is_allowed(capsys, options):
    with pytest.raises(SystemExit) as caught:
        __main__.main(options)
    assert caught.value.code == 2
    error = capsys.readouterr().err.splitlines()[-1]
    assert options[0] in error
    assert "must be a whole number from 0 to" in error
    assert repr(options[1]) in error
