"""The settings that the course brings for JupyterLab: they arrive, and Jupyter knows them."""

import json
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
WORKBENCH = ROOT / "notebooks/workbench"
SETTINGS = json.loads((WORKBENCH / "jupyterlab.json").read_text(encoding="utf-8"))
LISTING = json.loads((WORKBENCH / "jupyter_server.json").read_text(encoding="utf-8"))
SCHEMAS = Path(sys.prefix, "share/jupyter/lab/schemas")


def test_they_are_installed_with_the_course():
    installed = Path(sys.prefix, "etc/jupyter/labconfig/default_setting_overrides.json")
    assert json.loads(installed.read_text(encoding="utf-8")) == SETTINGS
    installed = Path(sys.prefix, "etc/jupyter/jupyter_server_config.json")
    assert json.loads(installed.read_text(encoding="utf-8")) == LISTING


@pytest.mark.parametrize("plugin", SETTINGS)
def test_jupyterlab_has_each_setting(plugin):
    package, name = plugin.split(":")
    schema = json.loads((SCHEMAS / package / f"{name}.json").read_text(encoding="utf-8"))
    for setting, value in SETTINGS[plugin].items():
        known = schema["properties"][setting]
        # News has no type of its own, but a list of words.
        assert type(value) is type(known["default"]), setting
