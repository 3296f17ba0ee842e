"""A log line that tells what an exception was, and where it comes from."""

import asyncio
import socket
import ssl
import sys
from contextlib import AsyncExitStack
from unittest import mock

import httpx

from server.wire import refused
from workbench.checking.record import Exercise, WrongAnswer, expect
from workbench.descriptors import no_descriptor_left

GATE = "closing"


def log_line(error):
    """Return one line, a str: the exception's type, its text, and the type of its root.

    The root is what it comes from in the end, also where a traceback would hide that. Of a group
    (the root may be one) the line has all this for each member.
    """
    return str(error)


def solution(error):
    """Return one line, a str: the exception's type, its text, and the type of its root.

    The root is what it comes from in the end, also where a traceback would hide that. Of a group
    (the root may be one) the line has all this for each member.
    """
    if isinstance(error, BaseExceptionGroup):
        return "; ".join(map(solution, error.exceptions))
    root = error
    while before := root.__cause__ or root.__context__:
        root = before
    line = repr(error)
    return line if root is error else f"{line} from {solution(root)}"


def the_repr(error):
    return repr(error)


def only_causes(error):
    root = error
    while root.__cause__:
        root = root.__cause__
    return f"{error!r} from {root!r}"


def only_contexts(error):
    root = error
    while root.__context__ and not root.__suppress_context__:
        root = root.__context__
    return f"{error!r} from {root!r}"


def only_the_root(error):
    return repr(_root(error))


def only_types(error):
    return f"{type(error).__name__} from {type(_root(error)).__name__}"


def of_httpx_only(error):
    if not isinstance(error, httpx.HTTPError):
        return str(error)
    return f"{error!r} from {_root(error)!r}"


def the_group_as_one(error):
    return f"{error!r} from {_root(error)!r}"


def many_lines(error):
    members = getattr(error, "exceptions", ())
    return "\n".join([f"{error!r} from {_root(error)!r}", *map(many_lines, members)])


def the_text_as_it_is(error):
    if isinstance(error, BaseExceptionGroup):
        return "; ".join(map(the_text_as_it_is, error.exceptions))
    return f"{type(error).__name__}: {error}; the root: {type(_root(error)).__name__}"


def one_group_deep(error):
    members = error.exceptions if isinstance(error, BaseExceptionGroup) else [error]
    return "; ".join(f"{member!r} from {_root(member)!r}" for member in members)


def the_root_is_never_a_group(error):
    if isinstance(error, BaseExceptionGroup):
        return "; ".join(map(the_root_is_never_a_group, error.exceptions))
    return f"{error!r} from {type(_root(error)).__name__}"


def two_of_each_group(error):
    if isinstance(error, BaseExceptionGroup):
        return "; ".join(map(two_of_each_group, error.exceptions[:2]))
    return f"{error!r} from {_root(error)!r}"


def nothing(error):
    print(repr(error))


def by_text(error):
    if isinstance(error, ExceptionGroup):
        return " | ".join(by_text(member) for member in error.exceptions)
    text = f"{type(error).__module__}.{type(error).__name__}: {str(error)!r}"
    before = error.__cause__ or error.__context__
    return f"{text} <- {by_text(before)}" if before else text


def group_first(error):
    def root(one):
        before = one.__cause__ or one.__context__
        return root(before) if before else one

    def line(one):
        return f"{type(one).__qualname__}({str(one)!r}, root={type(root(one)).__qualname__})"

    groups = [one for one in (error, root(error)) if isinstance(one, BaseExceptionGroup)]
    members = groups[0].exceptions if groups else []
    return ", ".join([line(error), *map(group_first, members)])


class WrapperError(Exception):
    """What a library of one's own raises for a failed call."""


async def check(attempt, server):
    for error in await _provoke(server):
        line = attempt(error)
        expect(
            isinstance(line, str),
            "A line, a `str`.",
            happened=f"An object of type `{type(line).__name__}` was returned.",
        )
        for member in _members(error):
            _require(line, member, error)
        expect(
            len(line.strip().splitlines()) == 1,
            "One line for each exception.",
            happened=f"For `{error!r}` it has a line break in it.",
        )


def _require(line, error, given):
    about = f"`{given!r}`"
    if given is not error:
        direct = error in given.exceptions
        about = f"a group in {'which' if direct else 'a group, in which'} `{error!r}` is"
    for said in (type(error).__name__, *str(error).splitlines()):
        expect(
            said in line,
            f"The type and the text of the exception, `{said}` among them.",
            happened=f"The line for {about} was `{line}`.",
        )
    whose = "The type of the root" if given is error else "The type of each member's root"
    end = _root(error)
    if isinstance(end, BaseExceptionGroup):
        whose += ", which is a group, so of its members"
    for root in {type(_root(member)).__name__ for member in _members(end)}:
        expect(
            root in line,
            f"{whose}. For `{error!r}` that is `{root}`.",
            happened=f"The line for {about} was `{line}`.",
        )


def _members(error):
    """Return the exceptions of a group and of the groups in it, or the one by itself."""
    if isinstance(error, BaseExceptionGroup):
        return [each for member in error.exceptions for each in _members(member)]
    return [error]


def _root(error):
    before = error.__cause__ or error.__context__
    return _root(before) if before else error


async def _provoke(server):
    """Return failures of real calls, with chains of different lengths, and a group of two."""
    context = ssl.create_default_context()
    async with AsyncExitStack() as stack:
        port = stack.enter_context(refused())
        client = await stack.enter_async_context(httpx.AsyncClient(verify=context))
        leaving = await stack.enter_async_context(httpx.AsyncClient(verify=context))
        gone = httpx.AsyncClient(verify=context)
        await gone.aclose()
        failures = [
            await _fail(client.get(port.url)),
            await _fail(client.get(server.url + "/faults/close")),
            await _fail(gone.get(server.url + "/echo")),
            await _fail(client.get(server.url + "/faults/silence", timeout=0.2)),
            await _fail(client.get(server.url + "/faults/reset")),
            await _fail(_get_from_closing(leaving, server)),
            await _fail(_wrapped(client, port.url)),
        ]
        unknown = socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        with mock.patch("socket.getaddrinfo", side_effect=unknown):
            failures.append(await _fail(client.get("http://prices.example/")))
        if sys.platform != "win32":
            with no_descriptor_left():
                failures.append(await _fail(client.get(server.url + "/echo")))
        failures.append(await _fail(_refused_by_status(client, server.url + "/status?code=503")))
        closing = server.url + "/faults/close"
        group = await _fail(_group(client, server.url + "/faults/reset", port.url, closing))
        nested = ExceptionGroup("unhandled errors in a TaskGroup", [group, failures[1]])
        failures += [group, nested, await _fail(_refused_by_two(client, port.url))]
    return failures


async def _fail(call):
    [failed] = await asyncio.gather(call, return_exceptions=True)
    if isinstance(failed, Exception):
        return failed
    raise RuntimeError(f"a call that was to fail gave {failed!r}")


async def _get_from_closing(client, server):
    call = asyncio.create_task(client.get(f"{server.url}/faults/hold?gate={GATE}"))
    await server.gates.reached(GATE)
    await client.aclose()
    return await call


async def _refused_by_status(client, url):
    return (await client.get(url)).raise_for_status()  # its text has two lines


async def _refused_by_two(client, url):
    """Ask a name that has two addresses: the root is anyio's group of what each attempt raised."""
    port = httpx.URL(url).port
    address = (socket.AF_INET, socket.SOCK_STREAM, 0, "", ("127.0.0.1", port))
    with mock.patch("socket.getaddrinfo", return_value=[address, address]):
        return await client.get(f"http://prices.example:{port}/")


async def _wrapped(client, url):
    try:
        return await client.get(url)
    except httpx.HTTPError as error:
        raise WrapperError("no price") from error


async def _group(client, *urls):
    # As a TaskGroup does, but with every member: a group cancels the others at the first failure.
    failed = await asyncio.gather(*(client.get(url) for url in urls), return_exceptions=True)
    raise ExceptionGroup("unhandled errors in a TaskGroup", failed)


EXERCISE = Exercise(
    id="12-1",
    title="A line for the log",
    task="`log_line(error)` makes the lines of your log. As it is, whoever is on call cannot tell "
    "a refused connection from a process that has too many files open, and a time-out is an empty "
    "line. Repair it: type, text and root, for each member of a group.",
    starter=log_line,
    hints=[
        "`str(error)` has the text, and many of httpx's errors have none. What has type and text?",
        "The root: from each exception go on to the one that it comes from, until there is none. "
        "There are two attributes for that, `__cause__` and `__context__`.",
        "`raise ... from None` hides a context from the traceback. It is still in `__context__`.",
        "A group holds its members in `exceptions`. Each has a root of its own. And the root may "
        "be a group: each address of a name is tried.",
    ],
    wrong=[
        WrongAnswer(the_repr, "was `ConnectError('All connection attempts failed')`."),
        WrongAnswer(only_causes, "from ConnectError(OSError"),
        WrongAnswer(only_contexts, "from ConnectError('All"),
        WrongAnswer(only_the_root, "was `ConnectionRefusedError"),
        WrongAnswer(only_types, "was `ConnectError from"),
        WrongAnswer(of_httpx_only, "`RuntimeError` among them"),
        WrongAnswer(the_group_as_one, "The line for a group in which `ReadError("),
        WrongAnswer(many_lines, "For `ExceptionGroup('unhandled errors in a TaskGroup'"),
        WrongAnswer(the_text_as_it_is, "For `HTTPStatusError("),
        WrongAnswer(one_group_deep, "The line for a group in a group"),
        WrongAnswer(the_root_is_never_a_group, "which is a group, so of its members"),
        WrongAnswer(two_of_each_group, "The line for a group in which `RemoteProtocolError("),
        WrongAnswer(nothing, "of type `NoneType`"),
    ],
    solution=solution,
    why="With type, text and root the line can be diagnosed: several causes share a type and a "
    "text, and the root, which httpcore hides from tracebacks, tells them apart.",
    check=check,
    right=(by_text, group_first),
)
