"""The environment check names what is missing or other than the lessons were proved on."""

from importlib.metadata import PackageNotFoundError

import pytest

from workbench import environment


def test_here_everything_is_in_order():
    found = environment.check_environment()
    assert found.ok, repr(found)
    assert "not ok" not in found._repr_html_()


@pytest.mark.parametrize(
    ("versions", "words"),
    [
        ({"httpx": "1.0.dev3"}, "NOT OK  httpx 0.28: this is 1.0.dev3"),
        ({"httpx": "0.280.1"}, "NOT OK  httpx 0.28: this is 0.280.1"),
        ({"aiohttp": None}, "NOT OK  aiohttp: not installed: pip install -r requirements.txt"),
    ],
)
def test_what_is_wrong_is_named(monkeypatch, versions, words):
    def version(name):
        found = versions.get(name, environment.PROVED_ON.get(name, "1.0") + ".0")
        if found is None:
            raise PackageNotFoundError(name)
        return found

    monkeypatch.setattr(environment, "version", version)
    found = environment.check_environment()
    assert not found.ok
    assert words in repr(found)
    assert "<b>not ok</b>" in found._repr_html_()


def test_an_old_python_is_named(monkeypatch):
    monkeypatch.setattr(environment.sys, "version_info", (3, 10, 4, "final", 0))
    assert "NOT OK  Python 3.11 or newer: this is 3.10.4" in repr(environment.check_environment())
