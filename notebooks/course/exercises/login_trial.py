"""The check of exercise 07-2: users who log in, each with cookies of their own.

`ex_07_2.py` uses it. It asks the service of `login_service.py`, and a port that refuses.
"""

from http.cookiejar import CookieJar

import httpx

from course.exercises.ended import check_cancelled
from course.exercises.login_service import USERS
from course.exercises.noted import Noted
from server.wire import refused
from workbench.checking.record import Wrong, expect

OTHERS = ["dora", "emil&fritz", "gerda", "dora"]  # one is to be quoted, and one comes twice


async def check(attempt, server):
    with Noted() as noted:
        answers = await attempt(server.url, USERS)
    expect(
        len(noted.clients) >= len(USERS),
        "Each user has a client, and with it cookies, of their own.",
        happened=f"There are {len(USERS)} users, and {_clients(noted)}.",
    )
    # By chance, users who share a jar may each be answered with their own name.
    given = [options.get("cookies") for options in noted.clients]
    jars = [id(cookies) for cookies in given if isinstance(cookies, CookieJar)]
    expect(
        len(set(jars)) == len(jars),
        "Each user has a client, and with it cookies, of their own.",
        happened="Clients were made with one cookie jar, so their clients share cookies.",
    )
    asked = [event.path for event in attempt.seen.events if event.kind == "request"]
    for path in ("/login", "/me"):
        expect(
            asked.count(path) >= len(USERS),
            'For each user a request for "/login", and one for "/me".',
            happened=f'"{path}" was asked for {asked.count(path)} times.',
        )
    expect(
        answers == [{"user": user} for user in USERS],
        'The JSON of "/me" for each user, in the order of the users.',
        happened=f"It returned `{answers!r}`{_how(answers)}.",
    )
    noted.require_certificates_checked()
    expect(
        len(noted.loads) <= 1,
        "Certificates are loaded once, for all clients.",
        happened=_why(noted),
    )
    expect(
        server.app.state.together,
        "The users are visited at the same time.",
        happened="They came one after another: the second was not there before the first had its "
        "answer.",
    )
    await attempt.require_nothing_left()
    await _check_others(attempt, server)
    await check_cancelled(lambda: attempt(server.url, USERS))
    await _check_refused(attempt)


async def _check_others(attempt, server):
    """Visit other users, and more of them than before."""
    with server.ledger.watch() as seen:
        answers = await attempt(server.url, OTHERS)
    expect(
        answers == [{"user": user} for user in OTHERS],
        "The users that it is given, whoever they are.",
        happened=_of_others(answers),
        seen=seen,
    )


def _of_others(answers):
    returned = f"returned `{answers!r}`"
    if isinstance(answers, list) and {"user": "emil"} in answers:
        return f"It {returned}: a name in a URL is quoted, so it belongs into `params=`."
    if isinstance(answers, list) and answers == [{"user": user} for user in dict.fromkeys(OTHERS)]:
        return f"It {returned}, one answer too few: {OTHERS[0]} comes twice among the users."
    return f"It was given `{OTHERS!r}`, and {returned}."


async def _check_refused(attempt):
    """Where nobody answers, that is raised; what failed is no user."""
    with refused() as port:
        try:
            answers = await attempt(port.url, USERS)
        except (httpx.ConnectError, ExceptionGroup):
            return
    raise Wrong(
        "httpx's error where no server answers.",
        happened=f"Nobody listened there, and `{answers!r}` was returned.",
    )


def _clients(noted):
    if not noted.clients:
        return "your function made no `httpx.AsyncClient`"
    return "1 client was made for all of them: whoever logs in last is everybody"


def _how(answers):
    users = [answer["user"] for answer in answers if isinstance(answer, dict) and "user" in answer]
    if sorted(users, key=str) == USERS:
        return ", which is another order"
    if users and len(set(users)) < len(users):
        return ": users were taken for one another, so their clients share cookies"
    return ""


def _why(noted):
    words = f"They were loaded {len(noted.loads)} times"
    if len({id(context) for context, _ in noted.loads}) == 1:
        return f"{words}, into one context: what it holds already is read and parsed again."
    if not all(at_home for _, at_home in noted.loads):
        return (
            f"{words}, in threads. The loop is free meanwhile, but the work is the same: on a busy "
            "machine it is missing elsewhere."
        )
    if any("verify" in options for options in noted.clients):
        return f"{words}: there was an SSL context for each visit. Make it once, outside of it."
    return f"{words}: each client made an SSL context for itself, because you gave it none."
