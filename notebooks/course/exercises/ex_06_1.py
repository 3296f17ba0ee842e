"""One event loop and one client for all jobs, instead of a loop for each."""

import asyncio
from unittest import mock

import httpx
import nest_asyncio

from workbench.checking.record import Exercise, Wrong, WrongAnswer, expect, still_open

JOBS = [{"job": number} for number in range(1, 5)]


def run_jobs(url, jobs):
    """Post each job as JSON to url + "/echo" and return the list of the answers' "json".

    It is called from plain code, where no event loop runs.
    """
    client = httpx.AsyncClient()

    async def post(job):
        response = await client.post(url + "/echo", json=job)
        return response.json()["json"]

    return [asyncio.run(post(job)) for job in jobs]


def solution(url, jobs):
    """Post each job as JSON to url + "/echo" and return the list of the answers' "json".

    It is called from plain code, where no event loop runs.
    """

    async def post(client, job):
        response = await client.post(url + "/echo", json=job)
        return response.json()["json"]

    async def main():
        async with httpx.AsyncClient() as client:
            return [await post(client, job) for job in jobs]

    return asyncio.run(main())


def tries_again(url, jobs):
    client = httpx.AsyncClient()

    async def post(job):
        response = await client.post(url + "/echo", json=job)
        return response.json()["json"]

    def run(job):
        try:
            return asyncio.run(post(job))
        except RuntimeError:
            return asyncio.run(post(job))

    return [run(job) for job in jobs]


def lets_connections_expire(url, jobs):
    client = httpx.AsyncClient(limits=httpx.Limits(keepalive_expiry=1))

    async def post(job):
        response = await client.post(url + "/echo", json=job)
        return response.json()["json"]

    return [asyncio.run(post(job)) for job in jobs]


def makes_a_client_for_each_job(url, jobs):
    async def post(job):
        async with httpx.AsyncClient() as client:
            response = await client.post(url + "/echo", json=job)
            return response.json()["json"]

    return [asyncio.run(post(job)) for job in jobs]


def keeps_nothing_alive(url, jobs):
    client = httpx.AsyncClient(limits=httpx.Limits(max_keepalive_connections=0))

    async def post(job):
        response = await client.post(url + "/echo", json=job)
        return response.json()["json"]

    return [asyncio.run(post(job)) for job in jobs]


def patches_asyncio(url, jobs):
    nest_asyncio.apply()
    client = httpx.AsyncClient()

    async def post(job):
        response = await client.post(url + "/echo", json=job)
        return response.json()["json"]

    return [asyncio.run(post(job)) for job in jobs]


def never_closes_the_client(url, jobs):
    client = httpx.AsyncClient()

    async def post(job):
        response = await client.post(url + "/echo", json=job)
        return response.json()["json"]

    async def main():
        return [await post(job) for job in jobs]

    return asyncio.run(main())


async def check(attempt, server):
    made = []

    class NotedClient(httpx.AsyncClient):
        def __init__(self, *args, **kwargs):
            made.append(kwargs)
            super().__init__(*args, **kwargs)

    # The real `apply()` cannot be undone, and it would patch the learner's kernel.
    with (
        mock.patch.object(nest_asyncio, "apply") as applied,
        mock.patch.object(httpx, "AsyncClient", NotedClient),
    ):
        try:
            answers = await asyncio.to_thread(attempt, server.url, JOBS)
        except RuntimeError as error:
            _require_no_patch(applied)
            if str(error) != "Event loop is closed":
                raise
            raise Wrong(
                f"The answers to {len(JOBS)} jobs.", happened=f"`{error!r}`: {_why(made)}"
            ) from error
    _require_no_patch(applied)
    await attempt.settle()
    expect(
        answers == JOBS,
        'The "json" of each answer, in the order of the jobs.',
        happened=f"It returned `{answers!r}`.",
    )
    expect(
        attempt.seen.requests == len(JOBS),
        "Each job is posted once.",
        happened=f"The server received {attempt.seen.requests} posts for {len(JOBS)} jobs. A "
        "request whose answer could not be read had arrived all the same, and was sent again.",
    )
    expect(
        attempt.seen.connections == 1,
        "All jobs share one connection.",
        happened=_no_reuse(made, attempt.seen.connections),
    )
    expect(
        not still_open(attempt.seen),
        "The client is closed at the end.",
        happened="The connection is still open, and its event loop is gone: nobody can close it "
        "in an orderly way any more.",
    )


def _require_no_patch(applied):
    expect(
        not applied.called,
        "asyncio as it is.",
        happened="Your function called `nest_asyncio.apply()`. That replaces `asyncio.run` and "
        "more for the whole process, and cannot be undone. (The check did not let it happen.)",
    )


def _why(made):
    expiry = [kwargs["limits"].keepalive_expiry for kwargs in made if "limits" in kwargs]
    if any(seconds != 5.0 for seconds in expiry):
        return (
            "`keepalive_expiry` decides when httpx gives an idle connection up. It does not make a "
            "connection work in another event loop."
        )
    return "a connection was used in an event loop, and it belongs to another that has ended."


def _no_reuse(made, connections):
    if len(made) > 1:
        return f"There were {connections}: your function made {len(made)} clients."
    return f"There were {connections}: your client keeps no connection for the next job."


EXERCISE = Exercise(
    id="06-1",
    title="One loop for all jobs",
    task="`run_jobs` fails at the second job. Repair it: each job is posted once, all of them over "
    "one connection, and nothing is left open.",
    starter=run_jobs,
    hints=[
        "How many event loops does `run_jobs` start? How many does it need?",
        "One `asyncio.run(main())` is enough. The loop over the jobs goes into `main`.",
        "Open the client in `main`, with `async with`: then it is closed in the loop in which it "
        "was used.",
    ],
    wrong=[
        WrongAnswer(tries_again, "and was sent again"),
        WrongAnswer(lets_connections_expire, "does not make a connection work in another"),
        WrongAnswer(makes_a_client_for_each_job, "your function made 4 clients"),
        WrongAnswer(keeps_nothing_alive, "keeps no connection for the next job"),
        WrongAnswer(patches_asyncio, "Your function called `nest_asyncio.apply()`"),
        WrongAnswer(never_closes_the_client, "its event loop is gone"),
    ],
    solution=solution,
    why="The client lives inside the one event loop: it is opened, used and closed there.",
    check=check,
)
