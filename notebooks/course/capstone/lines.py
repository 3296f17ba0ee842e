"""The lines of the judge's table: what is looked at, what is allowed, which lesson explains it."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from course.capstone.observed import Answer, Observed, Streamed
from course.capstone.page import PATIENCE
from course.capstone.phases import LONGEST
from course.capstone.schedule import AFTER_PAUSE, ALLOWED, AT_ONCE, CROWD
from course.capstone.upstream import PARTS, part_of_it

OPENED = 8  # connections under load, where no more than four calls are made at once
HELD = 0  # connections at the end: each idle one has been used again for a good answer


@dataclass(frozen=True)
class Line:
    """A line of the table.

    looked_at: what it is about. seen, allowed: in words. lesson: its number, such as "04".
    ok: whether what was seen is allowed. failures: what is known of it where it is not.
    by_stall: whether a machine that stood still could have done that.
    """

    looked_at: str
    seen: str
    allowed: str
    lesson: str
    ok: bool
    failures: Sequence[str] = ()
    by_stall: bool = False


def lines_of(observed: Observed) -> list[Line]:
    """Return the table of a replay."""
    return [
        _lost(observed, "under load", ("burst", "mixed", "crowd"), "03", _one_at_a_time),
        _lost(observed, "beside slow ones", ("beside", "resting"), "05"),
        _lost(observed, "after a pause", (AFTER_PAUSE,), "04", _which_of_the_pause),
        _lost(observed, "after misses", ("misses", "last_burst"), "05"),
        _lost(observed, "after a restart", ("second_crowd", "second_start"), "06", _restarted),
        _wrong_statuses(observed),
        _sent_twice(observed),
        _cookies(observed),
        _longest(observed),
        _streamed(observed),
        _opened(observed),
        _at_once(observed),
        _held(observed),
        _left(observed),
    ]


Explanation = Callable[[Observed, Sequence[Answer]], Iterable[str]]


def _lost(
    observed: Observed,
    when: str,
    phases: Iterable[str],
    lesson: str,
    explain: Explanation = lambda observed, calls: (),
) -> Line:
    """The stock system was well, and the page did not get its answer."""
    calls = observed.of(phases)
    lost = [answer for answer in calls if not answer.right]
    failures = [*_grouped(lost, observed.raised), *explain(observed, calls)]
    return Line(
        f"requests lost {when}",
        f"{len(lost)} of {len(calls)}" + (", one by one" if failures and not lost else ""),
        "0",
        lesson,
        not failures,
        failures,
        by_stall=bool(lost) and {answer.status for answer in lost} <= {None, 503, 504},
    )


def _one_at_a_time(observed: Observed, calls: Sequence[Answer]) -> Iterable[str]:
    if observed.gathered < AT_ONCE:
        yield (
            f"Of {AT_ONCE} calls at once, {observed.gathered} at a time came to the stock system: "
            "one waits for the other."
        )


def _which_of_the_pause(observed: Observed, calls: Sequence[Answer]) -> Iterable[str]:
    lost = [answer for answer in calls if not answer.right]
    statuses = {answer.status for answer in lost}
    if statuses == {504}:
        yield "The stock system answered within 0.4 s, and the page was told that it was late."
    elif statuses != {502}:
        return
    elif {answer.call.kind for answer in lost} == {"orders"}:
        yield "The pages got their answers, and the order did not get through."
    elif calls[-1].right:
        yield (
            "Lost just before the second was over, and not long after it: idle connections are "
            "given up, and a little too late."
        )


def _restarted(observed: Observed, calls: Sequence[Answer]) -> Iterable[str]:
    before = observed.of(("burst", "mixed", "crowd"))
    if all(each.right for each in before) and not all(each.right for each in calls):
        of_a_loop = any("event loop" in observed.raised.get(each.call.path, "") for each in calls)
        yield (
            "The first start went well, and something here belongs to its event loop."
            if of_a_loop
            else "The first start went well, and closed something that the second needs."
        )


def _wrong_statuses(observed: Observed) -> Line:
    """The stock system failed, and the page was told something else. No answer at all is a line
    of its own, and so is an answer that came because the stock system had all the time it took.
    """
    calls = observed.of(("faulty", "slow", "stock_faults", "flood"))
    wrong = [
        answer
        for answer in calls
        if not answer.right and answer.status is not None and answer.seconds <= LONGEST
    ]
    catalogues = [
        (expected, streamed)
        for played, expected in (("/status?code=503", 502), ("/moved", 502), ("/slow-head", 504))
        for streamed in observed.catalogues.get(played, ())
    ]
    untold = [
        (expected, streamed)
        for expected, streamed in catalogues
        if streamed.status not in (None, expected) and streamed.seconds <= LONGEST
    ]
    failures = _grouped(wrong, observed.raised)
    failures += _counts(
        f"GET /catalogue: {streamed.status}, where {expected} was right"
        for expected, streamed in untold
    )
    told = {answer.status for answer in wrong} | {streamed.status for _, streamed in untold}
    if any(answer.status < 400 for answer in wrong):
        failures.append("Nothing was right, and the page was told that all is well.")
    [refused], [moved] = observed.catalogues["/status?code=503"], observed.catalogues["/moved"]
    if refused.status == 200:
        if refused.cut:
            failures.append("The catalogue's 200 was on its way before the stock system answered.")
    elif moved.status == 200 and moved.body:
        failures.append("The stock system's 302 led to a page for people, which is no catalogue.")
    elif moved.status == 200:
        failures.append("A 302 is no error to httpx, and no catalogue either.")
    if 500 in told:
        failures.append("500 says that the storefront is broken. It was the stock system.")
    if any({answer.status, answer.call.expected} == {502, 504} for answer in wrong):
        failures.append("502 and 504 are not the same: one says failed, the other late.")
    seen = f"{len(wrong) + len(untold)} of {len(calls) + len(catalogues)}"
    by_stall = told <= {503, 504}
    return Line("wrong statuses", seen, "0", "09", not failures, failures, by_stall)


def _sent_twice(observed: Observed) -> Line:
    twice = {path: times for path, times in observed.arrived.items() if times > 1}
    failures = [
        f"POST {path} arrived {times} times: the customer pays {times} times."
        for path, times in twice.items()
    ]
    return Line("orders sent more than once", str(len(twice)), "0", "04", not twice, failures)


def _cookies(observed: Observed) -> Line:
    count = len(observed.cookies)
    failures = [
        f"{count} requests carried the cookie that an order had got, such as that for {path}."
        for path in observed.cookies[:1]
    ]
    return Line("cookies of others sent", str(count), "0", "07", not failures, failures)


def _longest(observed: Observed) -> Line:
    every = observed.of(observed.answers)
    begun = [streamed for many in observed.catalogues.values() for streamed in many]
    longest = max((each.seconds for each in (*every, *begun)), default=0.0)
    late = [answer for answer in every if answer.seconds > LONGEST]
    late_catalogues = [streamed for streamed in begun if streamed.seconds > LONGEST]
    failures = _counted((answer, _though_late(answer)) for answer in late)
    failures += _counts(f"GET /catalogue: {_though_late(each)}" for each in late_catalogues)
    slow = {answer.call.kind: answer in late for answer in observed.of(("slow",))}
    slow["catalogue"] = observed.catalogues["/slow-head"][0] in late_catalogues
    if set(slow.values()) == {True, False}:
        failures.append(
            f"In time: {_paths(k for k in slow if not slow[k])}. "
            f"Not in time: {_paths(k for k in slow if slow[k])}."
        )
    elif late and not any(slow.values()):
        failures.append("Late are those that had to wait for a connection: a deadline counts that.")
    waited = any(each.status is None for each in (*late, *late_catalogues))
    seen = f"more than {PATIENCE:.1f} s" if waited else f"{longest:.1f} s"
    return Line(
        "longest answer", seen, f"{LONGEST:.1f} s", "10", not failures, failures, by_stall=True
    )


def _though_late(each: Answer | Streamed) -> str:
    return each.said if each.status is None else f"{each.status}, but late"


def _streamed(observed: Observed) -> Line:
    [whole] = observed.catalogues[""]
    [long] = observed.catalogues["/parts"]
    [broken] = observed.catalogues["/broken-off"]
    seen, failures = "whole", []
    if whole.status != 200:
        seen = "no catalogue"
        failures = [
            f"GET /catalogue: {whole.status or 'no answer'} {whole.said}",
            "The stock system sends the second half when the first has reached the page. Whoever "
            "waits for all of it before passing any on waits in vain.",
        ]
    elif whole.cut or whole.body != _parts(2):
        seen = f"broken off after {len(whole.body)} bytes"
        failures = [f"GET /catalogue: 200 {whole.said}"]
    elif not observed.in_pieces:
        seen = "whole, but late"
        failures = ["No piece was passed on before the stock system had sent the last one."]
    elif long.cut or long.body != _parts(PARTS):
        seen = "the beginning of a long one"
        failures = [
            f"GET /catalogue, which took its time: {long.status or 'no answer'} {long.said}",
            "It had begun in time, and each piece came soon after the one before.",
        ]
    elif broken.status == 200 and not broken.cut:
        seen = "whole, though it was not"
        failures = [
            "The service raised, and something around it ended the answer as if all were well: "
            '`@app.middleware("http")` does.'
            if "/catalogue" in observed.raised
            else "The stock system broke off in the middle, and the page took what it had for all."
        ]
    elif broken.endless:
        seen = "no end"
        failures = ["The stock system broke off in the middle, and the page still waits."]
    if failures and "/catalogue" in observed.raised:
        failures.append(f"the service raised {observed.raised['/catalogue']}")
    return Line("streaming answer", seen, "whole", "09", not failures, failures, by_stall=True)


def _parts(count: int) -> bytes:
    return "".join(map(part_of_it, range(count))).encode()


def _opened(observed: Observed) -> Line:
    count = observed.opened_for.total()
    calls = len(observed.of(("burst", "mixed")))
    ok = count <= OPENED
    failures = [] if ok else _by_kind(observed.opened_for, "opened for")
    if count >= calls:
        failures.append("As many connections as calls: none of them was used again.")
    return Line(
        "connections opened under load", f"{count} for {calls}", str(OPENED), "07", ok, failures
    )


def _at_once(observed: Observed) -> Line:
    ok = observed.at_once <= ALLOWED
    if ok:
        failures = []
    elif observed.opened_for.total() > OPENED:
        failures = ["Each client has a pool of its own, and none knows of the others."]
    elif observed.at_once > CROWD:
        failures = ["No call had to wait for another's connection: nothing limits the pool."]
    else:
        failures = ["There is more than one pool, and together they have more than ten."]
    return Line("connections at once", str(observed.at_once), str(ALLOWED), "05", ok, failures)


def _held(observed: Observed) -> Line:
    count = observed.held.total()
    ok = count <= HELD
    failures = [] if ok else _by_kind(observed.held, "last asked for")
    return Line("connections held at the end", str(count), str(HELD), "05", ok, failures)


def _left(observed: Observed) -> Line:
    ok = not observed.left and observed.stopped
    failures = [] if ok else ["The service has stopped, and nobody has closed them."]
    if not observed.stopped:
        failures = ["The service did not stop: something blocks its event loop."]
    return Line("sockets left after shutdown", str(observed.left), "0", "08", ok, failures)


def _grouped(answers: Iterable[Answer], raised: dict[str, str]) -> list[str]:
    """Return a line for each kind of failure: how often, what was asked, what came, what should."""

    def came(answer: Answer) -> str:
        words = f"{answer.status or ''} {answer.said[:150]}".strip()
        if answer.call.path in raised:
            words += f", raised by the service: {raised[answer.call.path]}"
        return f"{words}, where {answer.call.expected} was right"

    return _counted((answer, came(answer)) for answer in answers)


def _counted(came: Iterable[tuple[Answer, str]]) -> list[str]:
    """Count what came for calls of a kind, whatever their number."""
    return _counts(
        f"{answer.call.method} /{answer.call.kind}/N: {words.replace(str(answer.call.number), 'N')}"
        for answer, words in came
    )


def _counts(words: Iterable[str]) -> list[str]:
    return [f"{times} x {each}" for each, times in Counter(words).items()]


def _by_kind(counter: Counter[str], words: str) -> list[str]:
    return [f"{count} {words} /{kind}" for kind, count in counter.most_common()]


def _paths(kinds: Iterable[str]) -> str:
    return ", ".join(f"/{kind}" for kind in kinds)
