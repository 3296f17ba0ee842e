"""The lines of the judge's table: what is looked at, what is allowed, which lesson explains it."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from course.capstone.replay import PATIENCE, Observed, Outcome, Streamed

LONGEST = 1.7  # seconds; the storefront promises 0.9
OPENED = 8  # connections under load, where no more than four calls are made at once
HELD = 8  # connections at the end of the schedule, whose last burst needs four


@dataclass(frozen=True)
class Line:
    """A line of the table.

    looked_at: what it is about. seen, allowed: in words. lesson: its number, such as "04".
    ok: whether what was seen is allowed. failures: what is known of it where it is not.
    """

    looked_at: str
    seen: str
    allowed: str
    lesson: str
    ok: bool
    failures: Sequence[str] = ()


def lines_of(observed: Observed) -> list[Line]:
    """Return the table of a replay."""
    return [
        _lost(observed, "under load", ("burst", "mixed"), "03"),
        _lost(observed, "beside slow ones", ("second_burst",), "05"),
        _lost(observed, "after a pause", ("after_pause",), "04"),
        _lost(observed, "after misses", ("misses", "last_burst"), "05"),
        _wrong_statuses(observed),
        _sent_twice(observed),
        _longest(observed),
        _streamed(observed.streamed, observed.raised.get("/catalogue", "")),
        _opened(observed),
        _held(observed),
        _left(observed),
    ]


def _lost(observed: Observed, when: str, phases: Iterable[str], lesson: str) -> Line:
    """The stock system was well, and the page did not get its answer."""
    calls = _calls(observed, phases)
    lost = [outcome for outcome in calls if not outcome.right]
    kinds = {outcome.call.kind for outcome in lost}
    failures = _grouped(lost, observed.raised)
    if when == "after a pause" and kinds == {"orders"}:
        failures.append("The pages got their answers, and the order did not get through.")
    return Line(
        f"requests lost {when}", f"{len(lost)} of {len(calls)}", "0", lesson, not lost, failures
    )


def _wrong_statuses(observed: Observed) -> Line:
    """The stock system failed, and the page was told something else. No answer at all is a line
    of its own, and so is an answer that came because the stock system had all the time it took.
    """
    calls = _calls(observed, ("faulty", "slow"))
    wrong = [
        outcome
        for outcome in calls
        if not outcome.right and outcome.status is not None and outcome.seconds <= LONGEST
    ]
    failures = _grouped(wrong, observed.raised)
    if any(outcome.status < 400 for outcome in wrong):
        failures.append("Nothing was right, and the page was told that all is well.")
    if any(outcome.status == 500 for outcome in wrong):
        failures.append("500 says that the storefront is broken. It was the stock system.")
    if any({outcome.status, outcome.call.expected} == {502, 504} for outcome in wrong):
        failures.append("502 and 504 are not the same: one says failed, the other late.")
    return Line("wrong statuses", f"{len(wrong)} of {len(calls)}", "0", "09", not wrong, failures)


def _sent_twice(observed: Observed) -> Line:
    twice = {path: times for path, times in observed.arrived.items() if times > 1}
    failures = [
        f"POST {path} arrived {times} times: the customer pays {times} times."
        for path, times in twice.items()
    ]
    return Line("orders sent more than once", str(len(twice)), "0", "04", not twice, failures)


def _longest(observed: Observed) -> Line:
    every = _calls(observed, observed.outcomes)
    longest = max((outcome.seconds for outcome in every), default=0.0)
    late = [outcome for outcome in every if outcome.seconds > LONGEST]
    failures = _counted(
        (outcome, outcome.said if outcome.status is None else f"{outcome.status}, but late")
        for outcome in late
    )
    waited = any(outcome.status is None for outcome in late)
    seen = f"more than {PATIENCE:.1f} s" if waited else f"{longest:.1f} s"
    return Line("longest answer", seen, f"{LONGEST:.1f} s", "10", not late, failures)


def _streamed(streamed: Streamed, raised: str) -> Line:
    ok = streamed.whole and streamed.in_pieces and streamed.status == 200
    failures = [] if ok else [f"GET /catalogue: {streamed.status or 'no answer'} {streamed.said}"]
    if ok:
        seen = "whole"
    elif streamed.status != 200:
        seen = "no catalogue"
        failures.append(
            "The stock system sends the second half when the first has reached the page. Whoever "
            "waits for all of it before passing any on waits in vain."
        )
    elif not streamed.whole:
        seen = f"broken off after {streamed.received} bytes"
    else:
        seen = "whole, but late"
        failures.append("No piece was passed on before the stock system had sent the last one.")
    if raised and not ok:
        failures.append(f"the service raised {raised}")
    return Line("streaming answer", seen, "whole", "09", ok, failures)


def _opened(observed: Observed) -> Line:
    count = observed.asked_first.total()
    calls = len(_calls(observed, ("burst", "mixed")))
    ok = count <= OPENED
    failures = [] if ok else _by_kind(observed.asked_first, "opened for")
    if count >= calls:
        failures.append("As many connections as calls: none of them was used again.")
    return Line(
        "connections opened under load", f"{count} for {calls}", str(OPENED), "07", ok, failures
    )


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


def _calls(observed: Observed, phases: Iterable[str]) -> list[Outcome]:
    return [outcome for phase in phases for outcome in observed.outcomes.get(phase, ())]


def _grouped(outcomes: Iterable[Outcome], raised: dict[str, str]) -> list[str]:
    """Return a line for each kind of failure: how often, what was asked, what came, what should."""

    def came(outcome: Outcome) -> str:
        words = f"{outcome.status or ''} {outcome.said[:150]}".strip()
        if outcome.call.path in raised:
            words += f", raised by the service: {raised[outcome.call.path]}"
        return f"{words}, where {outcome.call.expected} was right"

    return _counted((outcome, came(outcome)) for outcome in outcomes)


def _counted(came: Iterable[tuple[Outcome, str]]) -> list[str]:
    """Count what came for calls of a kind, whatever their number."""
    counted: Counter = Counter()
    for outcome, words in came:
        call = outcome.call
        counted[f"{call.method} /{call.kind}/N: {words.replace(str(call.number), 'N')}"] += 1
    return [f"{times} x {words}" for words, times in counted.items()]


def _by_kind(counter: Counter, words: str) -> list[str]:
    return [f"{count} {words} /{kind}" for kind, count in counter.most_common()]
