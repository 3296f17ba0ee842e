"""`python -m workbench.ready` says what is in order, and what is not, in words that help."""

import os
import subprocess
import sys
import webbrowser

import psutil
import pytest
from jupyter_client.manager import KernelManager

from server.local import LocalServer
from workbench import ready


@pytest.fixture
def one_check(monkeypatch):
    """Leave one check of the command in place, and the environment's."""

    def only(need, check):
        monkeypatch.setattr(ready, "CHECKS", {need: check})

    return only


def test_the_command_as_it_is_run(tmp_path):
    """Each line is ok here, but for a browser, which not every machine has."""
    environment = {**os.environ, "JUPYTER_SERVER_URL": "http://127.0.0.1:8888/"}
    done = subprocess.run(
        [sys.executable, "-m", "workbench.ready"],
        capture_output=True,
        encoding="utf-8",
        env=environment,
        cwd=tmp_path,
        check=False,
    )
    lines = done.stdout.splitlines()
    assert lines[-1] == "This machine can run the course.", done.stdout
    assert all(line.startswith("ok  ") for line in lines[:-1])
    assert {line.removeprefix("ok  ") for line in lines} >= ready.CHECKS.keys()
    assert (done.returncode, done.stderr) == (0, "")


def test_one_line_that_is_not_in_order_is_told_and_fails_the_command(one_check, capsys):
    one_check("a cat", lambda: "it is out: call it")
    assert ready.main() == 1
    *_, cat, last = capsys.readouterr().out.splitlines()
    assert cat == "NO  a cat: it is out: call it"
    assert last == "1 not in order."


def test_a_check_that_cannot_be_made_is_not_in_order(one_check, capsys):
    def needs_what_is_missing():
        raise ModuleNotFoundError("No module named 'psutil'")

    one_check("memory", needs_what_is_missing)
    assert ready.main() == 1
    assert "No module named 'psutil'" in capsys.readouterr().out


def test_a_certificate_file_that_is_not_there_is_one_line_of_its_own(monkeypatch, capsys):
    monkeypatch.setenv("SSL_CERT_FILE", "nowhere.pem")
    monkeypatch.setattr(ready, "CHECKS", {"server": ready.loopback})
    assert ready.main() == 1
    out = capsys.readouterr().out
    assert "NO  certificates where the environment says: SSL_CERT_FILE is nowhere.pem" in out
    assert "ok  server" in out


def test_a_proxy_is_in_nobodys_way(monkeypatch):
    """What the course runs leaves proxies out: this one would refuse every connection."""
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    assert ready.loopback() == ""


@pytest.mark.parametrize(
    ("listed", "words"),
    [
        ("# a comment\n\nhttpx~=0.28.1  # why\n-e .  # the course\n", ""),
        ("no-such-thing~=1.0  # why\n", "no-such-thing is missing: python -m pip install"),
        ("httpx~=0.1.0  # why\n", "httpx is 0.28"),
        ("httpx[http2]~=0.28.1  # an extra\n", ""),
    ],
)
def test_versions(monkeypatch, tmp_path, listed, words):
    monkeypatch.setattr(ready, "REQUIREMENTS", tmp_path / "requirements.txt")
    ready.REQUIREMENTS.write_text(listed, encoding="utf-8")
    found = ready.versions()
    assert words in found
    assert bool(words) == bool(found)


def test_a_package_that_is_broken(monkeypatch):
    monkeypatch.setattr(ready, "IMPORTED", ("json", "no_such_module"))
    assert "no_such_module: ModuleNotFoundError" in ready.imports()
    assert "json" not in ready.imports()


def test_a_tls_key_log_that_cannot_be_written_is_said_in_its_own_line(tmp_path, monkeypatch):
    monkeypatch.setenv("SSLKEYLOGFILE", str(tmp_path / "gone" / "keys.log"))
    code = "from workbench import ready; print(repr(ready.imports()))"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, encoding="utf-8", check=True
    )
    assert done.stdout.strip() == "''"
    [problem] = [problem for need, problem in ready.check_environment().rows if "key log" in need]
    assert "SSLKEYLOGFILE" in problem


def test_a_port_that_cannot_be_had(monkeypatch):
    def refuse(server):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(LocalServer, "start", refuse)
    assert "Permission denied" in ready.loopback()
    assert "127.0.0.1" in ready.loopback()


def test_a_server_that_something_else_answers_for(monkeypatch):
    url = LocalServer.url.fget
    monkeypatch.setattr(LocalServer, "url", property(lambda s: url(s) + "/status?code=403#"))
    assert "another program answered, with 403" in ready.loopback()


def test_a_kernel_that_does_not_start(monkeypatch):
    def refuse(manager, **options):
        raise FileNotFoundError(2, "No such file or directory")

    monkeypatch.setattr(KernelManager, "start_kernel", refuse)
    assert "it does not start: FileNotFoundError" in ready.kernel()


def test_a_kernel_of_another_python(monkeypatch, tmp_path):
    assert ready.kernel() == ""
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    assert "not this one: jupyter kernelspec remove python3" in ready.kernel()


@pytest.mark.parametrize(
    ("most", "used", "words"),
    [(None, None, ""), ("max\n", "1\n", ""), ("600000000\n", "300000000\n", "400 MB are: close")],
)
def test_memory_in_a_container_is_the_containers(monkeypatch, tmp_path, most, used, words):
    monkeypatch.setattr(ready, "CGROUP", tmp_path)
    monkeypatch.setattr(psutil, "virtual_memory", lambda: type("Free", (), {"available": 2**32}))
    if most:
        (tmp_path / "memory.max").write_text(most, encoding="utf-8")
        (tmp_path / "memory.current").write_text(used, encoding="utf-8")
        stat = "file 200000000\ninactive_file 100000000\n"
        (tmp_path / "memory.stat").write_text(stat, encoding="utf-8")
    assert words in ready.memory()
    assert bool(words) == bool(ready.memory())


def test_too_little_memory(monkeypatch):
    monkeypatch.setattr(ready, "available", lambda: 123_456_789)
    assert ready.memory().startswith("123 MB are: close other programs")


def test_a_browser(monkeypatch):
    def none():
        raise webbrowser.Error("could not locate runnable browser")

    monkeypatch.delenv("JUPYTER_SERVER_URL", raising=False)
    monkeypatch.setattr(webbrowser, "get", none)
    assert "--no-browser" in ready.browser()
    monkeypatch.setattr(webbrowser, "get", lambda: object())
    assert ready.browser() == ""
