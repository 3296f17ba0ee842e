"""The resuming download of deeper/09-streams-that-break, and its exercise's, against odd servers.

Each server is a list of answers, one for each request. An answer that breaks off raises what httpx
raises where a connection is reset.
"""

import httpx
import pytest
from lesson import FOLDER, Lesson

from course.exercises import find

pytestmark = pytest.mark.anyio
OLD, NEW = (
    b"".join(b"v%d %06d\n" % (version, number) for number in range(1000)) for version in (1, 2)
)


class Body(httpx.AsyncByteStream):
    def __init__(self, data, breaks):
        self.data, self.breaks = data, breaks

    async def __aiter__(self):
        yield self.data
        if self.breaks:
            raise httpx.ReadError("")


def answer(data, breaks=False, status=200, **headers):
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    return httpx.Response(status, headers=names, stream=Body(data, breaks))


def functions():
    [source] = [
        cell.source
        for cell in Lesson.read(FOLDER / "deeper" / "09-streams-that-break.ipynb").notebook.cells
        if "async def resuming_download" in cell.source
    ]
    names = {"httpx": httpx}
    exec(source, names)
    return [names["resuming_download"], find("09-streams-that-break-1").solution]


@pytest.fixture(params=functions(), ids=["notebook", "exercise"])
def download(request):
    async def run(*answers):
        asked, left = [], list(answers)

        def serve(one):
            asked.append((one.headers.get("range"), one.headers.get("if-range")))
            return left.pop(0)

        async with httpx.AsyncClient(transport=httpx.MockTransport(serve)) as client:
            return await request.param(client, "http://files.example/"), asked

    return run


async def test_an_answer_without_a_tag_ends_what_was_known_of_the_one_before(download):
    """Two servers behind one name: to ask for a part of the old file would join halves."""
    body, asked = await download(
        answer(OLD[:4000], breaks=True, etag='"v1"'),
        answer(NEW[:3000], breaks=True),
        answer(OLD, etag='"v1"'),
    )
    assert body == OLD
    assert asked == [(None, None), ("bytes=4000-", '"v1"'), (None, None)]


async def test_a_weak_tag_begins_anew(download):
    body, asked = await download(
        answer(OLD[:4000], breaks=True, etag='W/"v1"'), answer(NEW, etag='W/"v2"')
    )
    assert body == NEW
    assert asked == [(None, None)] * 2


async def test_a_part_without_a_tag_is_still_of_the_version_that_was_asked_for(download):
    body, asked = await download(
        answer(OLD[:4000], breaks=True, etag='"v1"'),
        answer(OLD[4000:7000], breaks=True, status=206, content_range="bytes 4000-9999/10000"),
        answer(OLD[7000:], status=206, content_range="bytes 7000-9999/10000"),
    )
    assert body == OLD
    assert asked[2] == ("bytes=7000-", '"v1"')


async def test_another_part_than_was_asked_for_is_no_part(download):
    body, _ = await download(
        answer(OLD[:4000], breaks=True, etag='"v1"'),
        answer(OLD[3000:], status=206, etag='"v1"', content_range="bytes 3000-9999/10000"),
        answer(OLD[4000:], status=206, etag='"v1"', content_range="bytes 4000-9999/10000"),
    )
    assert body == OLD
