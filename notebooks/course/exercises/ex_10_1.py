"""A timeout with one limit of its own, and the same number for the other three."""

import httpx

from workbench.checking.record import Exercise, WrongAnswer, expect

NAMES = ("connect", "read", "write", "pool")


def make_timeout(connect, rest):
    """Return an httpx.Timeout: `connect` seconds to connect, `rest` for each other limit."""
    return httpx.Timeout(connect=connect, read=rest)


def solution(connect, rest):
    """Return an httpx.Timeout: `connect` seconds to connect, `rest` for each other limit."""
    return httpx.Timeout(rest, connect=connect)


def a_tuple_as_in_requests(connect, rest):
    return httpx.Timeout((connect, rest))


def one_number(connect, rest):
    return httpx.Timeout(rest)


def the_default_is_for_connecting(connect, rest):
    return httpx.Timeout(connect, read=rest)


def a_dictionary(connect, rest):
    return {"connect": connect, "read": rest, "write": rest, "pool": rest}


def the_numbers_of_the_article(connect, rest):
    return httpx.Timeout(30.0, connect=5.0)


def the_smaller_number_connects(connect, rest):
    return httpx.Timeout(max(connect, rest), connect=min(connect, rest))


def caps_what_it_is_given(connect, rest):
    return httpx.Timeout(max(rest, 2.0), connect=min(connect, 10.0))


def forgets_the_return(connect, rest):
    httpx.Timeout(rest, connect=connect)


def names_all_four(connect, rest):
    return httpx.Timeout(connect=connect, read=rest, write=rest, pool=rest)


def a_tuple_of_four(connect, rest):
    return httpx.Timeout((connect, rest, rest, rest))


RIGHT = (names_all_four, a_tuple_of_four)


async def check(attempt, server):
    # The last two are the other way round: neither number is always the smaller one.
    for connect, rest in ((5.0, 30.0), (0.5, 2.0), (10.0, 3.0), (60.0, 0.1)):
        _check_limits(attempt(connect, rest), connect, rest)


def _check_limits(timeout, connect, rest):
    expected = f"`make_timeout({connect}, {rest})` limits connecting to {connect} s and each of "
    expected += f"the other three waits to {rest} s."
    expect(
        timeout is not None,
        expected,
        happened="It returned None, as a function does that reaches no `return`.",
    )
    expect(
        isinstance(timeout, httpx.Timeout),
        expected,
        happened=f"It returned a value of type `{type(timeout).__name__}`, and not an "
        "`httpx.Timeout`.",
    )
    unlimited = [f"`{name}`" for name in NAMES if getattr(timeout, name) is None]
    expect(
        not unlimited,
        expected,
        happened=f"`{timeout}`: {' and '.join(unlimited)} got no limit, so that wait may last for "
        "ever. What a tuple leaves out and what is None has none.",
    )
    got = {name: getattr(timeout, name) for name in NAMES}
    expect(
        set(got.values()) <= {connect, rest},
        expected,
        happened=f"`{timeout}`: a number stands there that your function was not given.",
    )
    expect(
        timeout.connect == connect,
        expected,
        happened=f"`{timeout}`: connecting may take {timeout.connect} s.",
    )
    others = [f"`{name}`" for name in NAMES[1:] if got[name] != rest]
    expect(
        not others,
        expected,
        happened=f"`{timeout}`: {' and '.join(others)} got the {connect} s that are for "
        "connecting. The first argument is the default of all limits that are not named.",
    )


EXERCISE = Exercise(
    id="10-1",
    title="One limit of its own",
    task="`make_timeout` raises a ValueError. Repair it: `connect` seconds to connect, and `rest` "
    "seconds for each of the other three limits.",
    starter=make_timeout,
    hints=[
        "What does the ValueError ask for? There are two ways to give it.",
        "The first argument of `httpx.Timeout` is the default: it is for all limits that are not "
        "named.",
        "Which of the two numbers is for three limits? That one is the default.",
    ],
    wrong=[
        WrongAnswer(a_tuple_as_in_requests, "`write` and `pool` got no limit, so"),
        WrongAnswer(one_number, "connecting may take 30.0 s"),
        WrongAnswer(the_default_is_for_connecting, "`write` and `pool` got the 5.0 s"),
        WrongAnswer(a_dictionary, "a value of type `dict`"),
        WrongAnswer(the_numbers_of_the_article, "`make_timeout(0.5, 2.0)`"),
        WrongAnswer(the_smaller_number_connects, "connecting may take 3.0 s"),
        WrongAnswer(caps_what_it_is_given, "`make_timeout(60.0, 0.1)`"),
        WrongAnswer(forgets_the_return, "that reaches no `return`"),
    ],
    solution=solution,
    why="The default is for three of the limits, and `connect=` overrides it for the fourth. To "
    "name all four is right as well.",
    check=check,
    right=RIGHT,
)
