"""A client for each user, because of the cookies, and one SSL context for all the clients."""

import asyncio
import contextlib
import ssl

import httpx
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route

from course.exercises.noted import Noted
from server.local import LocalServer
from workbench.checking.record import Exercise, WrongAnswer, expect

USERS = ["anna", "ben", "cleo"]
TOGETHER = 3.0  # seconds that the logins may take to arrive together
LAST = 0.5  # seconds that the first user's answer waits for the last user to be answered


async def who_is_logged_in(url, users):
    """Log each user in, all at the same time; return the list of the JSON of url + "/me"."""

    async def visit(user):
        async with httpx.AsyncClient(base_url=url) as client:
            await client.get("/login", params={"user": user})
            return (await client.get("/me")).json()

    return await asyncio.gather(*(visit(user) for user in users))


async def solution(url, users):
    """Log each user in, all at the same time; return the list of the JSON of url + "/me"."""
    context = httpx.create_ssl_context()

    async def visit(user):
        async with httpx.AsyncClient(base_url=url, verify=context) as client:
            await client.get("/login", params={"user": user})
            return (await client.get("/me")).json()

    return await asyncio.gather(*(visit(user) for user in users))


async def checks_no_certificates(url, users):
    async def visit(user):
        async with httpx.AsyncClient(base_url=url, verify=False) as client:
            await client.get("/login", params={"user": user})
            return (await client.get("/me")).json()

    return await asyncio.gather(*(visit(user) for user in users))


async def one_client_for_all(url, users):
    async with httpx.AsyncClient(base_url=url) as client:

        async def visit(user):
            await client.get("/login", params={"user": user})
            return (await client.get("/me")).json()

        return await asyncio.gather(*(visit(user) for user in users))


async def a_context_for_each(url, users):
    async def visit(user):
        context = ssl.create_default_context()
        async with httpx.AsyncClient(base_url=url, verify=context) as client:
            await client.get("/login", params={"user": user})
            return (await client.get("/me")).json()

    return await asyncio.gather(*(visit(user) for user in users))


async def builds_them_in_threads(url, users):
    async def visit(user):
        async with await asyncio.to_thread(httpx.AsyncClient, base_url=url) as client:
            await client.get("/login", params={"user": user})
            return (await client.get("/me")).json()

    return await asyncio.gather(*(visit(user) for user in users))


async def builds_them_all_first(url, users):
    clients = [httpx.AsyncClient(base_url=url) for _ in users]

    async def visit(client, user):
        async with client:
            await client.get("/login", params={"user": user})
            return (await client.get("/me")).json()

    return await asyncio.gather(*map(visit, clients, users))


async def one_after_another(url, users):
    context = httpx.create_ssl_context()
    answers = []
    for user in users:
        async with httpx.AsyncClient(base_url=url, verify=context) as client:
            await client.get("/login", params={"user": user})
            answers.append((await client.get("/me")).json())
    return answers


async def asks_nobody_who_it_is(url, users):
    context = httpx.create_ssl_context()

    async def visit(user):
        async with httpx.AsyncClient(base_url=url, verify=context) as client:
            await client.get("/login", params={"user": user})
            return {"user": user}

    return await asyncio.gather(*(visit(user) for user in users))


async def takes_them_as_they_come(url, users):
    context = httpx.create_ssl_context()

    async def visit(user):
        async with httpx.AsyncClient(base_url=url, verify=context) as client:
            await client.get("/login", params={"user": user})
            return (await client.get("/me")).json()

    return [await visited for visited in asyncio.as_completed([visit(user) for user in users])]


async def uses_sync_clients_in_threads(url, users):
    context = httpx.create_ssl_context()

    def visit(user):
        with httpx.Client(base_url=url, verify=context) as client:
            client.get("/login", params={"user": user})
            return client.get("/me").json()

    return await asyncio.gather(*(asyncio.to_thread(visit, user) for user in users))


async def leaves_them_open(url, users):
    context = httpx.create_ssl_context()

    async def visit(user):
        client = httpx.AsyncClient(base_url=url, verify=context)
        await client.get("/login", params={"user": user})
        return (await client.get("/me")).json()

    return await asyncio.gather(*(visit(user) for user in users))


async def checks_no_names(url, users):
    context = httpx.create_ssl_context()
    context.check_hostname = False

    async def visit(user):
        async with httpx.AsyncClient(base_url=url, verify=context) as client:
            await client.get("/login", params={"user": user})
            return (await client.get("/me")).json()

    return await asyncio.gather(*(visit(user) for user in users))


async def trusts_nobody(url, users):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)

    async def visit(user):
        async with httpx.AsyncClient(base_url=url, verify=context) as client:
            await client.get("/login", params={"user": user})
            return (await client.get("/me")).json()

    return await asyncio.gather(*(visit(user) for user in users))


async def the_system_s_context_in_a_group(url, users):
    context = ssl.create_default_context()

    async def visit(user):
        async with httpx.AsyncClient(base_url=url, verify=context) as client:
            (await client.get("/login", params={"user": user})).raise_for_status()
            return (await client.get("/me")).json()

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(visit(user)) for user in users]
    return [task.result() for task in tasks]


def serve():
    app = Starlette(routes=[Route("/login", _login), Route("/me", _me)])
    app.state.arrived = 0
    app.state.all_arrived = None
    app.state.others = None
    app.state.together = True
    return LocalServer(app)


async def _login(request):
    """Answer once all the users stand here, so that the check sees whether they do."""
    state = request.app.state
    state.all_arrived = state.all_arrived or asyncio.Event()
    state.arrived += 1
    if state.arrived == len(USERS):
        state.all_arrived.set()
    if state.together:
        try:
            async with asyncio.timeout(TOGETHER):
                await state.all_arrived.wait()
        except TimeoutError:
            state.together = False
    response = JSONResponse({})
    response.set_cookie("session", request.query_params["user"])
    return response


async def _me(request):
    """Answer the first user last, so that the order of the answers is not that of the users."""
    user, state = request.cookies.get("session"), request.app.state
    state.others = state.others or asyncio.Event()
    if user == USERS[0]:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LAST):
                await state.others.wait()
                await asyncio.sleep(0.05)  # the last of the others has its answer by now
    elif user == USERS[-1]:
        state.others.set()
    return JSONResponse({"user": user})


async def check(attempt, server):
    with Noted() as noted:
        answers = await attempt(server.url, USERS)
    expect(
        len(noted.clients) >= len(USERS),
        "Each user has a client, and with it cookies, of their own.",
        happened=f"There are {len(USERS)} users, and {_clients(noted)}.",
    )
    asked = [event.path for event in attempt.seen.events if event.kind == "request"]
    expect(
        asked.count("/me") >= len(USERS),
        'For each user a request for "/me": its answer says who the server takes them for.',
        happened=f'"/me" was asked for {asked.count("/me")} times.',
    )
    expect(
        answers == [{"user": user} for user in USERS],
        'The JSON of "/me" for each user, in the order of the users.',
        happened=f"It returned `{answers!r}`.",
    )
    expect(
        all(context.verify_mode is ssl.CERT_REQUIRED for context in noted.contexts),
        "Certificates are checked.",
        happened="Your clients check no certificate: with `verify=False` anybody on the way can "
        "pretend to be the server.",
    )
    expect(
        all(context.check_hostname for context in noted.contexts),
        "Certificates are checked, and so is the name that they were made out for.",
        happened="Your clients take any server's certificate for this server's: "
        "`check_hostname` is off.",
    )
    expect(
        all(context.cert_store_stats()["x509_ca"] for context in noted.contexts),
        "The context knows authorities to trust.",
        happened="Your clients know no authority, so no certificate would pass: nothing loaded "
        "any into their context.",
    )
    expect(
        noted.loaded <= 1, "Certificates are loaded once, for all clients.", happened=_why(noted)
    )
    expect(
        server.app.state.together,
        "The users are visited at the same time.",
        happened="They came one after another: the second was not there before the first had its "
        "answer.",
    )
    await attempt.require_nothing_left()


def _clients(noted):
    if not noted.clients:
        return "your function made no `httpx.AsyncClient`"
    return "1 client was made for all of them: whoever logs in last is everybody"


def _why(noted):
    words = f"They were loaded {noted.loaded} times"
    if not all(at_home for _, at_home in noted.loads):
        return (
            f"{words}, in threads. The loop is free meanwhile, but the work is the same: on a busy "
            "machine it is missing elsewhere."
        )
    if any("verify" in options for options in noted.clients):
        return f"{words}: there was an SSL context for each visit. Make it once, outside of it."
    return f"{words}: each client made an SSL context for itself, because you gave it none."


EXERCISE = Exercise(
    id="07-2",
    title="A client each, one context for all",
    task="`who_is_logged_in` needs a client for each user, because of the cookies. Keep the "
    "clients, and keep the check of certificates, but load the certificates once.",
    starter=who_is_logged_in,
    hints=[
        "What in `httpx.AsyncClient(...)` takes so long? Which argument hands it in ready-made?",
        "`context = httpx.create_ssl_context()` is what httpx would make for itself.",
        "Make `context` before `visit` is defined, and write `verify=context` into the client.",
    ],
    wrong=[
        WrongAnswer(checks_no_certificates, "Your clients check no certificate"),
        WrongAnswer(one_client_for_all, "whoever logs in last is everybody"),
        WrongAnswer(a_context_for_each, "there was an SSL context for each visit"),
        WrongAnswer(builds_them_in_threads, "3 times, in threads"),
        WrongAnswer(builds_them_all_first, "because you gave it none"),
        WrongAnswer(one_after_another, "They came one after another"),
        WrongAnswer(asks_nobody_who_it_is, '"/me" was asked for 0 times'),
        WrongAnswer(takes_them_as_they_come, "{'user': 'anna'}]`"),
        WrongAnswer(uses_sync_clients_in_threads, "made no `httpx.AsyncClient`"),
        WrongAnswer(leaves_them_open, "3 connections were still open"),
        WrongAnswer(checks_no_names, "`check_hostname` is off"),
        WrongAnswer(trusts_nobody, "Your clients know no authority"),
    ],
    right=[the_system_s_context_in_a_group],
    solution=solution,
    why="The context holds the certificates, the client holds the cookies and the connections: the "
    "one is shared, the other is not.",
    check=check,
    serve=serve,
)
