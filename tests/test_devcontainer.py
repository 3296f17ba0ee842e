"""The dev container: its file is what the published schema allows, and installs what README says.

That a container starts from it is not tried here, since that takes an engine and an image.
"""

import json
from pathlib import Path

import jsonschema
import pytest

ROOT = Path(__file__).resolve().parent.parent
SCHEMA = json.loads(
    (ROOT / "tests" / "schemas" / "devContainer.base.schema.json").read_text(encoding="utf-8")
)


@pytest.fixture
def container():
    return json.loads((ROOT / ".devcontainer" / "devcontainer.json").read_text(encoding="utf-8"))


def test_the_file_is_what_the_schema_allows(container):
    jsonschema.validate(container, SCHEMA)


def test_the_schema_refuses_what_it_does_not_know(container):
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**container, "onCreateComand": "true"}, SCHEMA)


def test_it_installs_as_the_readme_does(container):
    assert container["onCreateCommand"] + " && " in (ROOT / "README.md").read_text(encoding="utf-8")


def test_what_it_opens_is_there(container):
    for name in container["customizations"]["codespaces"]["openFiles"]:
        assert (ROOT / name).is_file()
