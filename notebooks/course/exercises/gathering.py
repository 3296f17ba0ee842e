"""The check of exercise 03-1: whether all requests have ended when their client is closed.

`ex_03_1.py` uses it. It sends requests to the check's own server.
"""

import httpx

from course.exercises.closing_trial import Trial, all_in, check_cancelled, let_an_hour_pass
from workbench.checking.record import Wrong, expect

RESET = "/faults/reset"
MANY = 25  # more than a pool or a semaphore of 20 lets through
INVALID = "http://127.0.0.1:port/"  # httpx.InvalidURL, which is no httpx.HTTPError


async def check(attempt, server):
    for count in (3, 2, MANY):
        await check_slow(attempt, server, count)
    await check_failing(attempt, server, server.url + RESET)
    await check_failing(attempt, server, INVALID)
    await check_cancelled(attempt, server, "cancelled")
    nothing = await attempt([])
    expect(
        isinstance(nothing, list | tuple) and not nothing,
        "An empty list for no urls.",
        happened=f"It returned `{nothing!r}`.",
    )
    twice = await attempt([server.url + "/echo"] * 2)
    expect(
        len(twice) == 2,
        "As many responses as urls, also where a url is there twice.",
        happened=f"The same url was given two times, and {len(twice)} response came back.",
    )


async def check_slow(attempt, server, count):
    """Answers that take an hour by the loop's clock, the last one first."""
    numbers = range(1, count + 1)
    trial = Trial(attempt, server, f"slow-of-{count}")
    urls = trial.held(*numbers)
    given = list(urls)
    with trial.start(given, numbers) as running:
        if together := await trial.all_arrive(running):
            await let_an_hour_pass(running)
        await trial.open(running)
    trial.require_running_loop()
    if trial.error is None:
        attempt.require_request(trial.seen)
    elif trial.cut:
        _blame_for_the_cut(trial)
    elif isinstance(trial.error, TimeoutError):
        raise Wrong(
            "It waits for the answers, however long the server takes.",
            happened=f"`{trial.error!r}`: a deadline of its own was over before the answers came.",
        )
    else:
        raise all_in(trial.error)[0]
    expect(
        together,
        "All the requests at the same time.",
        happened=f"The {count} were never all under way: one waited for the answer to another.",
    )
    expect(
        given == urls,
        "The list of urls is the caller's, and stays as it is.",
        happened=f"A list of {count} urls was given, and came back with {len(given)} urls in it.",
    )
    _expect_the_responses(trial.outcome, urls)
    await trial.require_nothing_left("All was answered")
    trial.require_nothing_cut("The server had not answered yet")


def _blame_for_the_cut(trial):
    """Raise `Wrong` for a client that was closed under a request, and what came out of it."""
    again = isinstance(trial.error, RuntimeError)
    raise Wrong(
        "The client stays open until every answer has arrived.",
        happened="Its requests were cut by closing the client, and a second try asked the client "
        "after that: it refuses."
        if again
        else f"`{trial.error!r}`: the client was closed while the server still held the requests. "
        "No pause is long enough for every server.",
        seen=trial.seen,
    )


def _expect_the_responses(responses, urls):
    expect(
        isinstance(responses, list | tuple),
        f"A list of {len(urls)} responses.",
        happened=f"It returned an object of type `{type(responses).__name__}`.",
    )
    expect(
        len(responses) == len(urls),
        f"A list of {len(urls)} responses.",
        happened="It returned before the server had answered, without the answers that were still "
        "to come.",
    )
    strange = [each for each in responses if not isinstance(each, httpx.Response)]
    expect(
        not strange,
        "A list of responses.",
        happened=f"In the list is an object of type `{type(next(iter(strange), None)).__name__}`.",
    )
    expect(
        [str(response.url) for response in responses] == urls,
        "The responses in the order of the urls.",
        happened="They are in another order, such as that in which they arrived.",
    )
    expect(
        all(response.is_closed for response in responses),
        "Responses whose body is read.",
        happened="The body of a response is not read, and its client is closed: what had not been "
        "taken from the socket is lost.",
    )


async def check_failing(attempt, server, failing):
    """A url that fails between two that the server holds and two that it has answered."""
    trial = Trial(attempt, server, f"beside-{'reset' if failing.endswith(RESET) else 'invalid'}")
    first, last = trial.held(1, 2)
    # Two: what fails may go out on the connection of one of them.
    answered = [server.url + "/echo", server.url + "/bytes?size=3"]
    held = (1, 2) if failing.endswith(RESET) else ()
    with trial.start([first, failing, *answered, last], held, [failing]) as running:
        if held:
            await trial.fails(running)
        trial.release()
        for number in (1, 2):
            server.gates.open(f"{trial.name}-{number}")
        await trial.ends(running)
    raised = all_in(trial.error)
    when = f"`{failing.removeprefix(server.url)}` failed"
    if not raised:
        results = trial.outcome if isinstance(trial.outcome, list | tuple) else ()
        handed_out = any(isinstance(result, BaseException) for result in results)
        raise Wrong(
            "The error of a url that fails is raised.",
            happened=f"{when}, and its exception was handed out as if it were a response."
            if handed_out
            else f"{when}, nothing was raised, and {len(results)} of 5 responses came back: the "
            "error was swallowed.",
        )
    expect(
        any(isinstance(error, httpx.ReadError | httpx.InvalidURL) for error in raised),
        "The error of a url that fails is raised.",
        happened=f"{when}, and `{trial.error!r}` was raised, which is not that url's.",
    )
    trial.require_nothing_cut(f"{when}, and was raised at once")
    await trial.require_nothing_left(f"{when}")
