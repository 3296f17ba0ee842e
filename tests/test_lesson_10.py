"""What lesson 10 and the notebooks below it claim beyond what their cells assert."""

import ssl
from pathlib import Path

import httpx
import nbformat
import pytest

from course import check

DEEPER = Path(__file__).resolve().parent.parent / "notebooks" / "deeper"
TLS = ssl.create_default_context()

pytestmark = pytest.mark.anyio


# What the lesson says of the libraries


async def test_without_a_redirect_the_error_names_the_request_that_was_sent(server):
    async with httpx.AsyncClient(verify=TLS) as client:
        request = client.build_request("POST", server.url + "/faults/reset")
        with pytest.raises(httpx.ReadError) as caught:
            await client.send(request, follow_redirects=True)
    assert caught.value.request is request


# Exercises


async def with_a_synchronous_client(client, url, seconds):
    try:
        return httpx.get(url, timeout=seconds).text
    except httpx.TimeoutException:
        return None


def test_a_synchronous_client_is_no_answer():
    assert check("10-2", with_a_synchronous_client).outcome in ("wrong", "error")


# The explorer


@pytest.fixture(scope="module")
def explored():
    """What the cells of the explorer define, the explorer among it."""
    cells = nbformat.read(DEEPER / "10-which-values.ipynb", as_version=4).cells
    names = {}
    for cell in cells:
        if cell.cell_type == "code" and cell.id.startswith(("imports", "start", "explore")):
            exec(cell.source, names)
    yield names
    names["explorer"].close()
    names["server"].stop()


@pytest.mark.parametrize(
    ("slow", "outcome"),
    [
        ({}, "200"),
        ({"busy": 4}, "PoolTimeout"),
        ({"reading": 4}, "WriteTimeout"),
        ({"answering": 4}, "ReadTimeout"),
        ({"gap": 4}, "ReadTimeout"),
        ({"answering": 4, "deadline": 0.5, "timeout": 10}, "TimeoutError"),
    ],
    ids=["none", "busy", "reading", "answering", "gap", "deadline"],
)
async def test_which_limit_fires(explored, slow, outcome):
    places = dict.fromkeys(("busy", "reading", "answering", "gap"), 0.0)
    # A slow machine takes most of a second to upload 20 MB, and that must not meet the limit.
    picture = await explored["which_limit"](**{**places, "timeout": 2.5, "deadline": 30, **slow})
    assert f" s: {outcome}." in picture.text.split(".  ")[0]
