"""A client for each user, because of the cookies, and one SSL context for all the clients."""

import asyncio
import ssl
from http.cookiejar import CookieJar

import certifi
import httpx

from course.exercises.login_service import serve
from course.exercises.login_trial import check
from workbench.checking.record import Exercise, WrongAnswer


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


async def told(client, user):
    await client.get("/login", params={"user": user})
    return (await client.get("/me")).json()


async def visits(url, users, **options):
    """Visit the users with clients made with these options."""

    async def visit(user):
        async with httpx.AsyncClient(base_url=url, **options) as client:
            return await told(client, user)

    return await asyncio.gather(*(visit(user) for user in users))


# Right, too


async def the_system_s_context_in_a_group(url, users):
    context = ssl.create_default_context()

    async with asyncio.TaskGroup() as group:
        calls = [group.create_task(visits(url, [user], verify=context)) for user in users]
    return [answer for call in calls for answer in call.result()]


async def loads_them_itself(url, users):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_default_certs()
    return await visits(url, users, verify=context)


# Wrong


async def checks_no_certificates(url, users):
    return await visits(url, users, verify=False)


async def checks_no_names(url, users):
    context = httpx.create_ssl_context()
    context.check_hostname = False
    return await visits(url, users, verify=context)


async def trusts_nobody(url, users):
    return await visits(url, users, verify=ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT))


async def loads_them_twice(url, users):
    context = httpx.create_ssl_context()
    context.load_verify_locations(certifi.where())
    return await visits(url, users, verify=context)


async def loads_them_for_each_user(url, users):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    for _ in users:
        context.load_verify_locations(certifi.where())
    return await visits(url, users, verify=context)


async def one_client_for_all(url, users):
    async with httpx.AsyncClient(base_url=url) as client:
        return await asyncio.gather(*(told(client, user) for user in users))


async def one_jar_for_all(url, users):
    jar = CookieJar()
    return await visits(url, users, verify=httpx.create_ssl_context(), cookies=jar)


async def a_context_for_each(url, users):
    async def visit(user):
        return await visits(url, [user], verify=ssl.create_default_context())

    return [answer for [answer] in await asyncio.gather(*map(visit, users))]


async def builds_them_in_threads(url, users):
    async def visit(user):
        context = await asyncio.to_thread(httpx.create_ssl_context)
        return await visits(url, [user], verify=context)

    return [answer for [answer] in await asyncio.gather(*map(visit, users))]


async def builds_them_all_first(url, users):
    clients = [httpx.AsyncClient(base_url=url) for _ in users]

    async def visit(client, user):
        async with client:
            return await told(client, user)

    return await asyncio.gather(*map(visit, clients, users))


async def one_after_another(url, users):
    context = httpx.create_ssl_context()
    return [answer for user in users for answer in await visits(url, [user], verify=context)]


async def asks_nobody_who_it_is(url, users):
    context = httpx.create_ssl_context()

    async def visit(user):
        async with httpx.AsyncClient(base_url=url, verify=context) as client:
            await client.get("/login", params={"user": user})
            return {"user": user}

    return await asyncio.gather(*(visit(user) for user in users))


async def takes_them_as_they_come(url, users):
    context = httpx.create_ssl_context()
    calls = [visits(url, [user], verify=context) for user in users]
    return [answer for call in asyncio.as_completed(calls) for answer in await call]


async def uses_sync_clients_in_threads(url, users):
    context = httpx.create_ssl_context()

    def visit(user):
        with httpx.Client(base_url=url, verify=context) as client:
            client.get("/login", params={"user": user})
            return client.get("/me").json()

    return await asyncio.gather(*(asyncio.to_thread(visit, user) for user in users))


async def hands_errors_out(url, users):
    context = httpx.create_ssl_context()
    calls = (visits(url, [user], verify=context) for user in users)
    outcomes = await asyncio.gather(*calls, return_exceptions=True)
    return [each[0] if isinstance(each, list) else each for each in outcomes]


async def logs_nobody_in(url, users):
    context = httpx.create_ssl_context()

    async def visit(user):
        cookies = {"session": user}
        async with httpx.AsyncClient(base_url=url, verify=context, cookies=cookies) as client:
            return (await client.get("/me")).json()

    return await asyncio.gather(*map(visit, users))


async def knows_the_users_by_heart(url, users):
    return await visits(url, ["anna", "ben", "cleo"], verify=httpx.create_ssl_context())


async def keeps_them_by_name(url, users):
    answers = await visits(url, users, verify=httpx.create_ssl_context())
    return [*dict(zip(users, answers, strict=True)).values()]


async def quotes_nothing(url, users):
    context = httpx.create_ssl_context()

    async def visit(user):
        async with httpx.AsyncClient(base_url=url, verify=context) as client:
            await client.get(f"/login?user={user}")
            return (await client.get("/me")).json()

    return await asyncio.gather(*map(visit, users))


async def closes_in_a_task(url, users):
    context = httpx.create_ssl_context()

    async def visit(user):
        client = httpx.AsyncClient(base_url=url, verify=context)
        try:
            return await told(client, user)
        finally:
            asyncio.create_task(client.aclose())  # noqa: RUF006

    return await asyncio.gather(*map(visit, users))


async def leaves_them_open(url, users):
    context = httpx.create_ssl_context()
    clients = [httpx.AsyncClient(base_url=url, verify=context) for _ in users]
    return await asyncio.gather(*map(told, clients, users))


async def closes_those_that_come_through(url, users):
    context = httpx.create_ssl_context()

    async def visit(user):
        client = httpx.AsyncClient(base_url=url, verify=context)
        answer = await told(client, user)
        await client.aclose()
        return answer

    return await asyncio.gather(*(visit(user) for user in users))


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
        WrongAnswer(loads_them_twice, "They were loaded 2 times, into one context"),
        WrongAnswer(loads_them_for_each_user, "They were loaded 3 times, into one context"),
        WrongAnswer(one_jar_for_all, "so their clients share cookies"),
        WrongAnswer(closes_those_that_come_through, "3 of the 3 clients that it had made"),
        WrongAnswer(one_client_for_all, "whoever logs in last is everybody"),
        WrongAnswer(a_context_for_each, "there was an SSL context for each visit"),
        WrongAnswer(builds_them_in_threads, "3 times, in threads"),
        WrongAnswer(builds_them_all_first, "because you gave it none"),
        WrongAnswer(one_after_another, "They came one after another"),
        WrongAnswer(asks_nobody_who_it_is, '"/me" was asked for 0 times'),
        WrongAnswer(takes_them_as_they_come, "which is another order"),
        WrongAnswer(uses_sync_clients_in_threads, "made no `httpx.AsyncClient`"),
        WrongAnswer(hands_errors_out, "Nobody listened there"),
        WrongAnswer(logs_nobody_in, '"/login" was asked for 0 times'),
        WrongAnswer(knows_the_users_by_heart, "It was given `['dora'"),
        WrongAnswer(keeps_them_by_name, "one answer too few"),
        WrongAnswer(quotes_nothing, "belongs into `params=`"),
        WrongAnswer(closes_in_a_task, "a task still ran that nobody waited for"),
        WrongAnswer(leaves_them_open, "3 connections were still open"),
        WrongAnswer(checks_no_names, "`check_hostname` is off"),
        WrongAnswer(trusts_nobody, "Your clients know no authority"),
    ],
    right=[the_system_s_context_in_a_group, loads_them_itself],
    solution=solution,
    why="The context holds the certificates, the client holds the cookies and the connections: the "
    "one is shared, the other is not.",
    check=check,
    serve=serve,
)
