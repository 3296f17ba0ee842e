"""The check of exercise 03-2: what a report on several urls has to hold.

`ex_03_2.py` uses it. It sends requests to the check's own server and to a port that refuses them.
"""

from collections.abc import Mapping
from unittest import mock

import httpx

from course.exercises.closing_trial import Trial, all_in, check_cancelled, let_an_hour_pass
from server.wire import refused
from workbench.checking.record import Wrong, expect


class Stop(BaseException):
    """What is to end a program, as KeyboardInterrupt is; asyncio handles that one by itself."""


INVALID = "http://127.0.0.1:port/"  # httpx.InvalidURL, which is no httpx.HTTPError


async def check(attempt, server):
    with refused() as port:
        failing = {
            server.url + "/faults/reset": httpx.ReadError,
            server.url + "/faults/truncated": httpx.RemoteProtocolError,
            port.url: httpx.ConnectError,
        }
        await check_some_failing(attempt, server, failing)
    await check_all_answered(attempt, server)
    await check_invalid(attempt, server)
    await check_not_decoded(attempt, server)
    await check_stopped(attempt, server)
    await check_cancelled(attempt, server, "cancelled")
    nothing = await attempt([])
    expect(
        len(nothing) == 2 and not any(nothing),
        "Two empty dicts for no urls.",
        happened=f"It returned `{nothing!r}`.",
    )


async def check_some_failing(attempt, server, failing):
    """Urls that fail among slow ones, which are answered an hour later by the loop's clock."""
    trial = Trial(attempt, server, "slow")
    answered = [*trial.held(1, 2), server.url + "/status?code=503"]
    first, *others = answered
    with trial.start([first, *failing, *others], (1, 2), failing) as running:
        if together := await trial.all_arrive(running):
            await trial.fails(running)
            await let_an_hour_pass(running)
        await trial.open(running)
    trial.require_running_loop()
    if trial.error is None:
        attempt.require_request(trial.seen)
    else:
        _blame_for_raising(trial)
    expect(
        together,
        "All the requests at the same time.",
        happened="They were never all under way: one waited for the answer to another.",
    )
    _expect_the_report(trial, answered, failing)
    await trial.require_nothing_left("All was answered")
    trial.require_nothing_cut("The server had not answered yet")


def _blame_for_raising(trial):
    """Raise `Wrong` for an error of a url that came out, and any other error as it is."""
    of_a_url = [error for error in all_in(trial.error) if isinstance(error, httpx.HTTPError)]
    if not of_a_url:
        raise all_in(trial.error)[0]
    grouped = isinstance(trial.error, BaseExceptionGroup)
    raise Wrong(
        "A url that fails is reported, and the others are answered.",
        happened=f"`{of_a_url[0]!r}` came out of your function"
        + (
            ", in an ExceptionGroup: one call had failed, and the group cancelled all the others."
            if grouped
            else ": it ended the call, and nobody gets the other answers."
        ),
        seen=trial.seen,
    )


def _expect_the_report(trial, answered, failing):
    expect(
        isinstance(trial.outcome, list | tuple)
        and len(trial.outcome) == 2
        and all(isinstance(part, Mapping) for part in trial.outcome),
        "Two dicts, `return responses, errors`.",
        happened=f"It returned an object of type `{type(trial.outcome).__name__}`.",
    )
    responses, errors = trial.outcome
    strange = [value for value in responses.values() if not isinstance(value, httpx.Response)]
    expect(
        not strange,
        "Responses in the first dict.",
        happened=f"Among the responses is `{next(iter(strange), None)!r}`.",
    )
    strange = [key for key in (*responses, *errors) if key not in (*answered, *failing)]
    expect(
        not strange,
        "Two dicts by url.",
        happened=f"There is a key `{next(iter(strange), None)!r}`.",
    )
    for url in answered:
        _expect_answer(url, trial)
    for url, kind in failing.items():
        _expect_error(url, kind, trial)
    expect(
        len(responses) + len(errors) == len(answered) + len(failing),
        "Each url in one of the two dicts.",
        happened=f"{len(responses)} responses and {len(errors)} errors for "
        f"{len(answered) + len(failing)} urls.",
    )


def _expect_answer(url, trial):
    """Raise `Wrong` unless the response of a url that was answered is in the report."""
    responses, errors = trial.outcome
    shown = url.removeprefix(trial.server.url)
    expect(
        not isinstance(errors.get(url), httpx.HTTPStatusError),
        "A response is a response, whatever its status.",
        happened=f"`{shown}` was answered, and stands among the errors.",
    )
    expect(
        url in responses or url not in errors,
        "A slow url is waited for.",
        happened=f"`{shown}` is reported as `{errors.get(url)!r}`: "
        + ("its client was closed under it." if trial.cut else "it was not waited for."),
        seen=trial.seen,
    )
    expect(
        url in responses,
        "The response of each url that was answered.",
        happened=f"`{shown}` is in neither dict: "
        + ("nobody waited for it." if trial.cut else "its request was given up."),
        seen=trial.seen,
    )
    expect(
        responses[url].is_closed,
        "Responses whose body is read.",
        happened="The body of a response is not read, and its client is closed: what had not been "
        "taken from the socket is lost.",
    )


def _expect_error(url, kind, trial):
    """Raise `Wrong` unless the error of a url that failed, of this kind, is in the report."""
    _, errors = trial.outcome
    shown = url.removeprefix(trial.server.url)
    expect(
        url in errors,
        "The error of each url that failed.",
        happened=f"`{shown}` failed with {kind.__name__}, and the report says nothing of it.",
    )
    expect(
        isinstance(errors[url], kind),
        f"The exception of a url that failed: its {kind.__name__}.",
        happened=f"`{shown}` has `{errors[url]!r}`, an object of type "
        f"`{type(errors[url]).__name__}`.",
    )


async def check_all_answered(attempt, server):
    """Other urls, of which none fails: there is no error then."""
    trial = Trial(attempt, server, "fine")
    urls = [server.url + path for path in ("/echo", "/bytes?size=3", "/status?code=404", "/")]
    with trial.start(urls, ()) as running:
        await trial.ends(running)
    if trial.error is not None:
        raise trial.error
    _expect_the_report(trial, urls, {})
    await trial.require_nothing_left("All was answered")


async def check_invalid(attempt, server):
    """A url that raises what is no HTTPError: it may be raised or reported, and is not lost."""
    trial = Trial(attempt, server, "invalid")
    with trial.start([server.url + "/echo", INVALID, server.url + "/bytes?size=3"], ()) as running:
        await trial.ends(running)
    raised = [error for error in all_in(trial.error) if isinstance(error, httpx.InvalidURL)]
    if trial.error is not None and not raised:
        raise trial.error
    reported = trial.error is None and INVALID in trial.outcome[1]
    expect(
        raised or reported,
        "What is no `httpx.HTTPError` is raised, or stands in the report. It is not lost.",
        happened=f"`{INVALID}` raised httpx.InvalidURL inside, nothing came out, and it is in "
        "neither dict.",
    )
    await trial.require_nothing_left(f"`{INVALID}` failed")
    trial.require_nothing_cut(f"`{INVALID}` failed")


async def check_not_decoded(attempt, server):
    """A body that cannot be decoded: an HTTPError that is no TransportError."""
    garbled = server.url + "/bytes?size=3"
    handle = httpx.AsyncHTTPTransport.handle_async_request

    async def handling(transport, request):
        response = await handle(transport, request)
        if str(request.url) == garbled:
            response.headers["content-encoding"] = "gzip"
        return response

    trial = Trial(attempt, server, "garbled")
    with (
        mock.patch.object(httpx.AsyncHTTPTransport, "handle_async_request", handling),
        trial.start([server.url + "/echo", garbled], ()) as running,
    ):
        await trial.ends(running)
    if trial.error is not None:
        _blame_for_raising(trial)
    _expect_the_report(trial, [server.url + "/echo"], {garbled: httpx.DecodingError})


async def check_stopped(attempt, server):
    """A request in which something is raised that is no `Exception`: that comes out."""
    stopping = server.url + "/echo?stop"
    handle = httpx.AsyncHTTPTransport.handle_async_request

    async def handling(transport, request):
        if str(request.url) == stopping:
            raise Stop("the program is to end")
        return await handle(transport, request)

    trial = Trial(attempt, server, "stopped")
    with (
        mock.patch.object(httpx.AsyncHTTPTransport, "handle_async_request", handling),
        trial.start([server.url + "/echo", stopping], ()) as running,
    ):
        await trial.ends(running)
    came_out = any(isinstance(error, Stop) for error in all_in(trial.error))
    if trial.error is not None and not came_out:
        raise trial.error
    expect(
        came_out,
        "What is no `Exception`, such as KeyboardInterrupt, is nobody's report: it comes out.",
        happened="A request raised a `BaseException` that is to end the program, and your function "
        "caught it and returned.",
    )
