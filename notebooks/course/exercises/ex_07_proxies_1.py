"""A client that sends everything through a proxy, but for a few hosts."""

import contextlib
import os
from unittest import mock

import httpx

from course.exercises.noted import Noted
from server.proxy import Proxy
from workbench.checking.record import Exercise, WrongAnswer, expect

HERE, ALSO_HERE, ELSEWHERE = "127.0.0.1", "localhost", "127.0.0.2"
BELOW = f"shop.{ALSO_HERE}"  # another host than the one whose name it ends with
VARIABLES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")


def client_past(proxy, hosts):
    """Return an open httpx.AsyncClient, which the caller closes.

    Its requests, http and https, go through `proxy`, a URL; those to one of `hosts`, a list of
    names, go direct. No variable of the environment changes that.
    """
    ...


def solution(proxy, hosts):
    mounts = {"all://": httpx.AsyncHTTPTransport(proxy=proxy)}
    mounts |= {f"all://{host}": None for host in hosts}
    return httpx.AsyncClient(mounts=mounts, trust_env=False)


def mounts_the_direct_ones(proxy, hosts):
    return httpx.AsyncClient(proxy=proxy, mounts={f"all://{host}": None for host in hosts})


def names_each_scheme(proxy, hosts):
    through = httpx.AsyncHTTPTransport(proxy=proxy, retries=1)
    direct = httpx.AsyncHTTPTransport(retries=1)
    mounts = {}
    for scheme in ("http", "https"):
        mounts[f"{scheme}://"] = through
        mounts.update({f"{scheme}://{host}": direct for host in hosts})
    return httpx.AsyncClient(transport=direct, mounts=mounts)


def spares_nobody(proxy, hosts):
    return httpx.AsyncClient(proxy=proxy, trust_env=False)


def spares_all(proxy, hosts):
    return httpx.AsyncClient(trust_env=False)


def forgets_https(proxy, hosts):
    mounts = {"http://": httpx.AsyncHTTPTransport(proxy=proxy)}
    mounts |= {f"http://{host}": None for host in hosts}
    return httpx.AsyncClient(mounts=mounts, trust_env=False)


def believes_the_environment(proxy, hosts):
    mounts = {"all://": httpx.AsyncHTTPTransport(proxy=proxy)}
    mounts |= {f"all://{host}": None for host in hosts}
    return httpx.AsyncClient(mounts=mounts)


def knows_this_machine_only(proxy, hosts):
    mounts = {"all://127.0.0.1": None, "all://localhost": None}
    return httpx.AsyncClient(proxy=proxy, mounts=mounts, trust_env=False)


def spares_what_stands_below(proxy, hosts):
    mounts = {f"all://*{host}": None for host in hosts}
    return httpx.AsyncClient(proxy=proxy, mounts=mounts, trust_env=False)


class ByTheText(httpx.AsyncHTTPTransport):
    def __init__(self, proxy, hosts):
        super().__init__(trust_env=False)
        self.through, self.hosts = httpx.AsyncHTTPTransport(proxy=proxy), hosts

    async def handle_async_request(self, request):
        if any(host in str(request.url) for host in self.hosts):
            return await super().handle_async_request(request)
        return await self.through.handle_async_request(request)


def looks_at_the_whole_url(proxy, hosts):
    return httpx.AsyncClient(transport=ByTheText(proxy, hosts), trust_env=False)


def takes_the_hosts_away(proxy, hosts):
    mounts = {}
    while hosts:
        mounts[f"all://{hosts.pop()}"] = None
    return httpx.AsyncClient(proxy=proxy, mounts=mounts, trust_env=False)


def sets_the_environment(proxy, hosts):
    for name in VARIABLES:
        os.environ.pop(name, None)
        os.environ.pop(name.upper(), None)
    os.environ["ALL_PROXY"] = proxy
    os.environ["NO_PROXY"] = ",".join(hosts)
    return httpx.AsyncClient()


def empties_the_environment(proxy, hosts):
    for name in VARIABLES:
        os.environ.pop(name, None)
        os.environ.pop(name.upper(), None)
    return believes_the_environment(proxy, hosts)


def checks_no_certificates(proxy, hosts):
    mounts = {f"all://{host}": None for host in hosts}
    return httpx.AsyncClient(proxy=proxy, mounts=mounts, trust_env=False, verify=False)


def uses_a_sync_client(proxy, hosts):
    return httpx.Client(proxy=proxy, mounts={f"all://{host}": None for host in hosts})


async def check(attempt, server):
    with Proxy() as proxy, Proxy() as other, mock.patch.dict(os.environ):
        for name in VARIABLES:
            os.environ.pop(name, None)
            os.environ.pop(name.upper(), None)
        await _case(attempt, server, proxy, [HERE])
        await _case(attempt, server, proxy, [ALSO_HERE])
        await _case(attempt, server, proxy, [])
        set_to = {"HTTP_PROXY": other.url, "HTTPS_PROXY": other.url, "NO_PROXY": HERE}
        with mock.patch.dict(os.environ, set_to):
            await _case(attempt, server, proxy, [HERE, ALSO_HERE], "HTTP_PROXY names another")
            await _case(attempt, server, proxy, [], "NO_PROXY names 127.0.0.1")


async def _case(attempt, server, proxy, hosts, around="no variable is set"):
    """Ask for both hosts, by http and by https, and look who was asked."""
    kept = dict(os.environ)
    with Noted() as noted:
        client = attempt(proxy.url, given := list(hosts))
    expect(
        isinstance(client, httpx.AsyncClient),
        "An `httpx.AsyncClient`.",
        happened=f"An object of type `{type(client).__name__}` was returned.",
    )
    noted.require_certificates_checked()
    expect(
        given == hosts,
        "The list of hosts is the caller's, and is left as it was.",
        happened=f"It was `{hosts}`, and is `{given}`.",
    )
    changed = sorted(name for name in os.environ if kept.get(name) != os.environ[name])
    gone = sorted(kept.keys() - os.environ.keys())
    async with client:
        for host in (ELSEWHERE, HERE, ALSO_HERE, BELOW):
            for scheme in ("http", "https"):
                went_direct = await _goes_direct(client, f"{scheme}://{host}:{server.port}", proxy)
                said = f"With `hosts={hosts}`, where {around}, an {scheme} request to {host}"
                _expect_way(host in hosts, went_direct, said)
        for host in hosts:
            url = f"http://{ELSEWHERE}:{server.port}/?of={host}"
            went_direct = await _goes_direct(client, url, proxy)
            _expect_way(False, went_direct, f"With `hosts={hosts}` a request to `{url}`")
    alone = "The environment is left alone: it belongs to the whole process."
    expect(not changed, alone, happened=f"These were changed: {', '.join(changed)}.")
    expect(not gone, alone, happened=f"These are gone: {', '.join(gone)}.")


async def _goes_direct(client, url, proxy):
    asked = len(proxy.asked)
    # Nobody listens elsewhere, and our server speaks no TLS: what counts is the way.
    with contextlib.suppress(httpx.TransportError):
        await client.get(url)
    return len(proxy.asked) == asked


def _expect_way(listed, went_direct, said):
    expect(
        went_direct or not listed,
        "What is listed goes direct.",
        happened=f"{said}, which is listed, went through the proxy.",
    )
    expect(
        listed or not went_direct,
        "What is not listed goes through the proxy.",
        happened=f"{said}, which is not listed, did not go through the proxy.",
    )


EXERCISE = Exercise(
    id="07-proxies-1",
    title="Past the proxy, for a few",
    task="`client_past(proxy, hosts)` returns an open `AsyncClient` whose requests, http and "
    "https, go through `proxy`, and direct to each of `hosts`. The variables of the environment "
    "change nothing about it, and it changes none of them.",
    starter=client_past,
    hints=[
        "Which argument of a client says it by the kind of URL? The notebook's cure has it.",
        'A pattern "all://" is for both schemes, "all://name" for a host. What means "direct"?',
        "Other patterns may come from the environment, and a more specific one wins. Which "
        "argument keeps them out?",
    ],
    wrong=[
        WrongAnswer(spares_nobody, "127.0.0.1, which is listed, went through"),
        WrongAnswer(spares_all, "no variable is set, an http request to 127.0.0.2"),
        WrongAnswer(forgets_https, "an https request to 127.0.0.2"),
        WrongAnswer(believes_the_environment, "where HTTP_PROXY names another"),
        WrongAnswer(knows_this_machine_only, "request to localhost, which is not listed"),
        WrongAnswer(spares_what_stands_below, "request to shop.localhost, which is not listed"),
        WrongAnswer(looks_at_the_whole_url, "/?of=127.0.0.1`, which is not listed"),
        WrongAnswer(takes_the_hosts_away, "It was `['127.0.0.1']`, and is `[]`"),
        WrongAnswer(sets_the_environment, "These were changed: "),
        WrongAnswer(empties_the_environment, "These are gone: "),
        WrongAnswer(checks_no_certificates, "Your clients check no certificate"),
        WrongAnswer(uses_a_sync_client, "An object of type `Client` was returned"),
    ],
    right=[mounts_the_direct_ones, names_each_scheme],
    solution=solution,
    why='The mount "all://" takes everything, a more specific one its host, and `None` is direct. '
    "With `trust_env=False` no variable adds a pattern of its own. A client with `proxy=` or "
    "`transport=` does not ask the variables for proxies either.",
    check=check,
)
