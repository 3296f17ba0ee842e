"""One event loop and one client for all jobs, instead of a loop for each."""

import asyncio
import contextlib

import httpx

from course.exercises.run_jobs_trial import check
from workbench.checking.record import Exercise, WrongAnswer


def run_jobs(url, jobs):
    """Post each job as JSON to url + "/echo" and return the list of the answers' "json".

    It is called from plain code, where no event loop runs. What a job raises comes through.
    """
    client = httpx.AsyncClient()

    async def post(job):
        response = await client.post(url + "/echo", json=job)
        return response.json()["json"]

    return [asyncio.run(post(job)) for job in jobs]


def solution(url, jobs):
    """Post each job as JSON to url + "/echo" and return the list of the answers' "json".

    It is called from plain code, where no event loop runs. What a job raises comes through.
    """

    async def post(client, job):
        response = await client.post(url + "/echo", json=job)
        return response.json()["json"]

    async def main():
        async with httpx.AsyncClient() as client:
            return [await post(client, job) for job in jobs]

    return asyncio.run(main())


# Right, too


def keeps_the_loop(url, jobs):
    async def post(client, job):
        response = await client.post(url + "/echo", json=job)
        return response.json()["json"]

    with asyncio.Runner() as runner:
        client = httpx.AsyncClient()
        try:
            return [runner.run(post(client, job)) for job in jobs]
        finally:
            runner.run(client.aclose())


def makes_a_loop_and_closes_it(url, jobs):
    loop = asyncio.new_event_loop()
    client = httpx.AsyncClient()
    try:
        answers = []
        for job in jobs:
            response = loop.run_until_complete(client.post(f"{url}/echo", json=job))
            answers.append(response.json()["json"])
        return answers
    finally:
        loop.run_until_complete(client.aclose())
        loop.close()


def has_one_connection_at_most(url, jobs):
    async def main():
        limits = httpx.Limits(max_connections=1)
        async with httpx.AsyncClient(base_url=url, limits=limits) as client:
            answers = await asyncio.gather(*(client.post("/echo", json=job) for job in jobs))
        return [answer.json()["json"] for answer in answers]

    return asyncio.run(main())


def needs_no_loop(url, jobs):
    with httpx.Client() as client:
        return [client.post(url + "/echo", json=job).json()["json"] for job in jobs]


# Wrong


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
    import nest_asyncio

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


def closes_in_a_task_that_nobody_awaits(url, jobs):
    async def main():
        client = httpx.AsyncClient()
        try:
            return [(await client.post(url + "/echo", json=job)).json()["json"] for job in jobs]
        finally:
            asyncio.create_task(client.aclose())  # noqa: RUF006

    return asyncio.run(main())


def gives_each_failure_to_a_group(url, jobs):
    async def main():
        limits = httpx.Limits(max_connections=1)
        async with httpx.AsyncClient(limits=limits) as client, asyncio.TaskGroup() as group:
            posts = [group.create_task(client.post(url + "/echo", json=job)) for job in jobs]
        return [post.result().json()["json"] for post in posts]

    return asyncio.run(main())


def closes_only_when_all_went_well(url, jobs):
    async def main():
        client = httpx.AsyncClient()
        responses = [await client.post(url + "/echo", json=job) for job in jobs]
        await client.aclose()
        return [response.json()["json"] for response in responses]

    return asyncio.run(main())


def leaves_its_loop_open(url, jobs):
    async def main():
        async with httpx.AsyncClient() as client:
            return [(await client.post(url + "/echo", json=job)).json()["json"] for job in jobs]

    return asyncio.new_event_loop().run_until_complete(main())


def asks_all_at_once(url, jobs):
    async def main():
        async with httpx.AsyncClient() as client:
            answers = await asyncio.gather(*(client.post(url + "/echo", json=job) for job in jobs))
        return [answer.json()["json"] for answer in answers]

    return asyncio.run(main())


def swallows_what_a_job_raises(url, jobs):
    async def main():
        answers = []
        async with httpx.AsyncClient() as client:
            for job in jobs:
                with contextlib.suppress(Exception):
                    response = await client.post(url + "/echo", json=job)
                    answers.append(response.json()["json"])
        return answers

    return asyncio.run(main())


def returns_what_a_job_raises(url, jobs):
    async def main():
        async with httpx.AsyncClient() as client:
            answers = []
            for job in jobs:
                try:
                    answers.append((await client.post(url + "/echo", json=job)).json()["json"])
                except TypeError as error:
                    answers.append(error)
            return answers

    return asyncio.run(main())


def posts_and_reads_nothing(url, jobs):
    solution(url, jobs)
    return list(jobs)


def hides_what_broke(url, jobs):
    try:
        return solution(url, jobs)
    except httpx.TransportError:
        return []


def posts_what_broke_again(url, jobs):
    try:
        return solution(url, jobs)
    except httpx.TransportError:
        return solution(url, jobs)


def posts_what_is_alike_once(url, jobs):
    return solution(url, [*{str(job): job for job in jobs}.values()])


def takes_the_jobs_away(url, jobs):
    async def main():
        answers = []
        async with httpx.AsyncClient() as client:
            while jobs:
                response = await client.post(url + "/echo", json=jobs.pop(0))
                answers.append(response.json()["json"])
        return answers

    return asyncio.run(main())


def leaves_empty_jobs_out(url, jobs):
    return solution(url, [job for job in jobs if job])


def leaves_errors_out(url, jobs):
    async def main():
        async with httpx.AsyncClient() as client:
            asked = [await client.post(url + "/echo", json=job) for job in jobs]
        return [answer.json()["json"] for answer in asked if answer.is_success]

    return asyncio.run(main())


def gets_instead_of_posting(url, jobs):
    async def main():
        async with httpx.AsyncClient() as client:
            asked = [await client.request("GET", url + "/echo", json=job) for job in jobs]
        return [answer.json()["json"] for answer in asked]

    return asyncio.run(main())


def posts_them_all_in_one(url, jobs):
    return solution(url, [jobs])[0]


def asks_nothing(url, jobs):
    return jobs


EXERCISE = Exercise(
    id="06-1",
    title="One loop for all jobs",
    task="`run_jobs` fails at the second job. Repair it: each job is posted once, all of them over "
    "one connection, and nothing is left open, also when a job raises an exception.",
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
        WrongAnswer(keeps_nothing_alive, "was not kept for the next one"),
        WrongAnswer(asks_all_at_once, "your jobs went out at once"),
        WrongAnswer(patches_asyncio, "Your function called the `apply()` of nest_asyncio"),
        WrongAnswer(never_closes_the_client, "in the event loop in which the client was used"),
        WrongAnswer(
            closes_only_when_all_went_well, "It came through, and the connection is still open"
        ),
        WrongAnswer(closes_in_a_task_that_nobody_awaits, "never came to its end"),
        WrongAnswer(gives_each_failure_to_a_group, "what came was `ExceptionGroup("),
        WrongAnswer(leaves_its_loop_open, "1 event loop was not closed"),
        WrongAnswer(swallows_what_a_job_raises, "returned 2 answers and raised nothing"),
        WrongAnswer(returns_what_a_job_raises, "returned 3 answers and raised nothing"),
        WrongAnswer(posts_and_reads_nothing, 'A server answered "done"'),
        WrongAnswer(hides_what_broke, "httpx raised `ReadError`"),
        WrongAnswer(posts_what_broke_again, "and the job was posted 2 times"),
        WrongAnswer(posts_what_is_alike_once, "returned `[{'job': 2}, {}]`"),
        WrongAnswer(takes_the_jobs_away, "and has 0 now"),
        WrongAnswer(leaves_empty_jobs_out, "returned `[{'job': 2}, {'job': 2}]`"),
        WrongAnswer(leaves_errors_out, "A server answered 503"),
        WrongAnswer(gets_instead_of_posting, "4 other requests, the first a GET"),
        WrongAnswer(posts_them_all_in_one, "4 jobs came in fewer posts: 1"),
        WrongAnswer(asks_nothing, "No request was made"),
    ],
    right=[keeps_the_loop, makes_a_loop_and_closes_it, has_one_connection_at_most, needs_no_loop],
    solution=solution,
    why="The client lives inside the one event loop: it is opened, used and closed there.",
    check=check,
)
