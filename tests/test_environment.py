"""The environment check names what is missing, and what would break httpx here."""

import os
import ssl
from importlib.metadata import PackageNotFoundError
from importlib.resources import files
from importlib.util import find_spec

import httpx
import pytest

from workbench import environment


def wrong():
    """What is needed and not in order, with what is wrong."""
    return {need: problem for need, problem in environment.check_environment().rows if problem}


def test_here_everything_is_in_order():
    found = environment.check_environment()
    assert found.ok, repr(found)
    assert "NOT OK" not in repr(found) + found._repr_html_()


def test_a_row_that_is_not_in_order_is_seen(monkeypatch):
    monkeypatch.setattr(environment.sys, "version_info", (3, 10, 4, "final", 0))
    found = environment.check_environment()
    assert not found.ok
    assert repr(found).splitlines()[1].split("  ")[0] == "NOT OK"
    assert ">NOT OK</td>" in found._repr_html_()
    assert wrong() == {"Python 3.11 or newer": "this is 3.10.4"}


@pytest.mark.parametrize(
    ("versions", "need", "words"),
    [
        ({"httpx": "1.0.dev3"}, "httpx 0.28", "this is 1.0.dev3"),
        ({"httpx": "0.280.1"}, "httpx 0.28", "this is 0.280.1"),
        ({"aiohttp": None}, "aiohttp", "not installed: pip install -r requirements.txt"),
    ],
)
def test_a_package_that_is_missing_or_another(monkeypatch, versions, need, words):
    def version(name):
        found = versions.get(name, environment.PROVED_ON.get(name, "1.0") + ".0")
        if found is None:
            raise PackageNotFoundError(name)
        return found

    monkeypatch.setattr(environment, "version", version)
    assert words in wrong()[need]


# What surrounds the process. Where httpx raises, it is asked as well.


@pytest.fixture(autouse=True)
def no_certificates_named(monkeypatch):
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    monkeypatch.delenv("SSL_CERT_DIR", raising=False)
    monkeypatch.delenv("SSLKEYLOGFILE", raising=False)


def test_a_certificate_file_that_is_not_there(monkeypatch, tmp_path):
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "gone.pem"))
    [problem] = wrong().values()
    assert f"SSL_CERT_FILE is {tmp_path / 'gone.pem'}: No such file or directory" in problem
    with pytest.raises(FileNotFoundError):
        httpx.AsyncClient()


def test_a_certificate_file_that_holds_none(monkeypatch, tmp_path):
    (tmp_path / "empty.pem").touch()
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "empty.pem"))
    [problem] = wrong().values()
    assert "no certificate" in problem.lower()
    with pytest.raises(ssl.SSLError):
        httpx.AsyncClient()


def test_a_certificate_folder_that_is_not_there_is_named_and_raises_nothing(monkeypatch, tmp_path):
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path / "gone"))
    [problem] = wrong().values()
    assert f"SSL_CERT_DIR is {tmp_path / 'gone'}: no such folder" in problem
    assert httpx.create_ssl_context().cert_store_stats()["x509_ca"] == 0


def test_certificates_that_are_there(monkeypatch, tmp_path):
    monkeypatch.setenv("SSL_CERT_DIR", os.pathsep.join((str(tmp_path / "gone"), str(tmp_path))))
    assert not wrong()
    monkeypatch.setenv("SSL_CERT_FILE", str(files("certifi") / "cacert.pem"))
    assert not wrong()


def test_a_tls_key_log_that_cannot_be_written(monkeypatch, tmp_path):
    path = tmp_path / "gone" / "keys.log"
    monkeypatch.setenv("SSLKEYLOGFILE", str(path))
    monkeypatch.setenv("SSL_CERT_FILE", str(files("certifi") / "cacert.pem"))
    words = f"SSLKEYLOGFILE is {path}: No such file or directory; httpx.AsyncClient() raises that"
    assert wrong() == {"a TLS key log that can be written, or none": words + ": unset it"}
    with pytest.raises(FileNotFoundError):
        httpx.AsyncClient()
    path.parent.mkdir()
    assert not wrong()


@pytest.fixture
def proxies(monkeypatch):
    """Set one proxy and what is excepted from it, as the environment of a process would."""

    def to(url, excepted=""):
        for name in ("http", "https", "all", "no"):
            monkeypatch.delenv(f"{name.upper()}_PROXY", raising=False)
            monkeypatch.delenv(f"{name}_proxy", raising=False)
        monkeypatch.setenv("all_proxy", url)
        monkeypatch.setenv("no_proxy", excepted)

    return to


@pytest.mark.skipif(find_spec("socksio") is not None, reason="socksio is installed")
def test_a_socks_proxy_without_its_package(proxies):
    proxies("socks5://127.0.0.1:1")
    [problem] = wrong().values()
    assert "a SOCKS proxy is set, httpx.AsyncClient() raises without socksio" in problem
    with pytest.raises(ImportError, match="socksio"):
        httpx.AsyncClient()


def test_a_proxy_in_the_way_is_told_without_its_password(proxies):
    proxies("http://ada:secret@127.0.0.1:1", "example.org")
    assert wrong() == {
        "no proxy before 127.0.0.1": "requests go through a proxy (all): set NO_PROXY=*"
    }


def test_a_proxy_that_is_switched_off_is_in_nobodys_way(proxies):
    proxies("socks5://127.0.0.1:1", "example.org, *")
    assert not wrong()
    httpx.Client().close()


@pytest.mark.parametrize(("limit", "words"), [(199, "the limit is 199"), (200, ""), (-1, "")])
def test_too_few_descriptors(monkeypatch, limit, words):
    resource = pytest.importorskip("resource")
    monkeypatch.setattr(resource, "getrlimit", lambda which: (limit, limit))
    assert words in "".join(wrong().values())
    assert bool(wrong()) == bool(words)


def test_python_switches_that_change_outputs(monkeypatch):
    monkeypatch.setenv("PYTHONASYNCIODEBUG", "1")
    monkeypatch.setattr(environment.sys, "warnoptions", ["default", "error::ResourceWarning"])
    debug, warnings = wrong().values()
    assert "PYTHONASYNCIODEBUG" in debug
    assert "PYTHONWARNINGS" in warnings
