"""A small exercise with its answers, for the tests of what judges exercises."""

import dataclasses
import itertools
import linecache

import httpx

from workbench.checking.proof import report_on
from workbench.checking.record import Exercise, WrongAnswer, expect


async def fetch(url):
    """Fetch url + "/echo"."""
    raise NotImplementedError


async def right(url):
    async with httpx.AsyncClient() as client:
        return (await client.get(url + "/echo")).status_code


async def asks_twice(url):
    async with httpx.AsyncClient() as client:
        await client.get(url + "/echo")
        return (await client.get(url + "/echo")).status_code


async def returns_none(url):
    await right(url)


async def check_fetch(attempt, server):
    status = await attempt(server.url)
    expect(status == 200, "Status 200.", happened=f"It was `{status}`.")
    expect(attempt.seen.requests == 1, "One request.", happened=f"{attempt.seen.requests} came.")


FETCH = Exercise(
    id="99-1",
    title="Fetch",
    task="Write `fetch`.",
    starter=fetch,
    hints=["first", "second"],
    wrong=[WrongAnswer(asks_twice, "2 came"), WrongAnswer(returns_none, "It was `None`")],
    solution=right,
    why="It asks once.",
    check=check_fetch,
)
SHORT = dataclasses.replace(FETCH, limit=0.5)
cells = itertools.count()


def compiled(source, name="fetch", **names):
    """What a cell with this source defines; as with IPython's, its lines can be looked up."""
    cell = f"<cell {next(cells)}>"
    linecache.cache[cell] = (len(source), None, source.splitlines(keepends=True), cell)
    namespace = {"httpx": httpx, **names}
    exec(compile(source, cell, "exec"), namespace)
    return namespace[name]


def wrong_words(answer, exercise=FETCH):
    """What the report on a wrong answer says."""
    report = report_on(exercise, answer)
    assert report.outcome == "wrong"
    return repr(report)
