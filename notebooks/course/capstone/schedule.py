"""What is asked of the service, in which order, and what the stock system does meanwhile."""

import random
from dataclasses import dataclass, field
from typing import Any

from course.capstone.upstream import DRIP, GATE, UNKNOWN, about

AT_ONCE = 4  # calls of a burst
CROWD = 12  # calls of a crowd: more than connections are allowed
# First those for which a service may have much to compute: the others would wait for it.
OF_ALL_KINDS = {"delivery": 3, "products": 5, "stock": 4}
ALLOWED = 10  # connections
MISSES = 8  # with two failures of `STOCK_FAULTS` as many as connections are allowed
PAUSES = 3  # times that a pause is tried until it has the length that it should
NO_CONNECTION = (503, 504)  # who waits for a connection may be told so, or be late
AFTER_PAUSE = "after_pause"  # a gate
SLOW = ("products", "delivery", "stock", "reviews", "orders")
FAULTS = (
    ("products", "/faults/reset"),
    ("delivery", "/faults/close"),
    ("products", "/faults/truncated"),
    ("orders", "/status?code=503"),
    ("reviews", "/status?code=500"),
    ("orders", "/faults/reset"),
    ("products", "/moved"),
    ("products", "/maintenance"),
    ("delivery", "/nothing-known"),
    ("orders", "/maintenance"),
)
STOCK_FAULTS = ("/status?code=503", "/status?code=503", "/maintenance")

Script = dict[str, str]


@dataclass(frozen=True)
class Call:
    """One call of a page, and the answer that it should get.

    number: in the path, and of the answer. expected: the status. tolerated: statuses that are no
    fault either.
    """

    kind: str
    number: int
    expected: int = 200
    tolerated: tuple[int, ...] = ()

    @property
    def path(self) -> str:
        return f"/{self.kind}/{self.number}"

    @property
    def method(self) -> str:
        return "POST" if self.kind == "orders" else "GET"

    @property
    def body(self) -> dict[str, int] | None:
        """What is sent as JSON."""
        return {"product": self.number, "pieces": 2} if self.kind == "orders" else None

    @property
    def facts(self) -> dict[str, Any]:
        """What a good answer holds, at least."""
        known = about(self.number)
        match self.kind:
            case "products":
                return {"name": known["name"], "price": f"{known['cents'] / 100:.2f}"}
            case "delivery":
                return {"days": known["days"]}
            case "stock":
                return {"left": sum(known["movements"])}
            case "reviews":
                return {"reviews": ["Good.", "Bad."]}
        return {"number": self.number}


@dataclass
class Schedule:
    """The calls by phase, in the order of the phases, and the script for the stock system.

    burst, beside, last_burst: all at once, answered when all have arrived.
    crowd, second_crowd: the same, and more than there are connections.
    mixed, faulty, stock_faults, misses, second_start: one after the other.
    slow: all at once; the stock system drips.
    flood: all at once, more than there are connections; the stock system is silent.
    resting: all at once, so that as many connections are idle afterwards.
    after_pause: one after the other, each on a connection of its own, after a pause; as many times
        as the judge may have to try.
    """

    burst: list[Call]
    mixed: list[Call]
    crowd: list[Call]
    faulty: list[Call]
    slow: list[Call]
    beside: list[Call]
    resting: list[Call]
    after_pause: list[list[Call]]
    stock_faults: list[Call]
    misses: list[Call]
    last_burst: list[Call]
    second_crowd: list[Call]
    second_start: list[Call]
    flood: list[Call]
    script: Script = field(default_factory=dict)


def make_schedule(seed: int) -> Schedule:
    """Return the schedule of a seed. It is the same each time."""
    chance = random.Random(seed)
    numbers = iter(chance.sample(range(100, 1000), 200))

    def calls(kind: str, count: int, expected: int = 200) -> list[Call]:
        return [Call(kind, next(numbers), expected) for _ in range(count)]

    def crowd(kinds: dict[str, int], expected: int = 200) -> list[Call]:
        return [
            Call(kind, next(numbers), expected, NO_CONNECTION)
            for kind, count in kinds.items()
            for _ in range(count)
        ]

    mixed = [
        *(calls("products", 6) + calls("delivery", 8) + calls("stock", 4)),
        *(calls("reviews", 2) + calls("orders", 4, 201)),
    ]
    chance.shuffle(mixed)
    broken = [(calls(kind, 1, 502)[0], played) for kind, played in FAULTS]
    chance.shuffle(broken)
    schedule = Schedule(
        burst=calls("products", AT_ONCE),
        mixed=mixed,
        crowd=crowd(OF_ALL_KINDS),
        faulty=[call for call, _ in broken],
        slow=[calls(kind, 1, 504)[0] for kind in SLOW],
        beside=calls("products", 2),
        resting=calls("products", AT_ONCE),
        after_pause=[calls("orders", 1, 201) + calls("products", 3) for _ in range(PAUSES)],
        stock_faults=calls("stock", len(STOCK_FAULTS), 502),
        misses=[Call("stock", number, 404) for number in chance.sample(UNKNOWN, MISSES)],
        last_burst=calls("products", AT_ONCE - 1) + calls("stock", 1),
        second_crowd=crowd(OF_ALL_KINDS),
        second_start=calls("products", 1) + calls("orders", 1, 201) + calls("stock", 1),
        flood=crowd({"products": 6, "stock": 6}, 504),
    )
    schedule.script |= {call.path: played for call, played in broken}
    schedule.script |= {
        call.path: played for call, played in zip(schedule.stock_faults, STOCK_FAULTS, strict=True)
    }
    schedule.script |= {call.path: DRIP for call in schedule.slow}
    schedule.script |= {call.path: "/faults/silence" for call in schedule.flood}
    for phase in ("burst", "crowd", "beside", "resting", "last_burst", "second_crowd"):
        schedule.script |= {call.path: GATE + phase for call in getattr(schedule, phase)}
    for calls_of_a_try in schedule.after_pause:
        schedule.script |= {call.path: GATE + AFTER_PAUSE for call in calls_of_a_try}
    return schedule
