"""What is asked of the service, in which order, and what the stock system does meanwhile."""

import random
from dataclasses import dataclass, field

from course.capstone.upstream import DRIP, GATE, UNKNOWN, about

AT_ONCE = 4  # calls of a burst
MISSES = 10  # as many as the stock system allows connections
FIRST, SECOND, LAST = "first-burst", "second-burst", "last-burst"  # gates


@dataclass(frozen=True)
class Call:
    """One call of a page, and the answer that it should get.

    number: in the path, and of the answer. expected: the status.
    """

    kind: str
    number: int
    expected: int = 200

    @property
    def path(self) -> str:
        return f"/{self.kind}/{self.number}"

    @property
    def method(self) -> str:
        return "POST" if self.kind == "orders" else "GET"

    @property
    def body(self) -> dict | None:
        """What is sent as JSON."""
        return {"product": self.number, "pieces": 2} if self.kind == "orders" else None

    @property
    def facts(self) -> dict:
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

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


@dataclass
class Schedule:
    """The calls by phase, in the order of the phases, and the script for the stock system.

    burst, second_burst, last_burst: all at once, answered when all have arrived.
    mixed, faulty, misses: one after the other.
    slow: all at once; the stock system is silent or drips.
    after_pause: one after the other, when each idle connection has been so for too long.
    """

    burst: list[Call]
    mixed: list[Call]
    faulty: list[Call]
    slow: list[Call]
    second_burst: list[Call]
    after_pause: list[Call]
    misses: list[Call]
    last_burst: list[Call]
    script: dict[str, str] = field(default_factory=dict)


def make_schedule(seed: int) -> Schedule:
    """Return the schedule of a seed. It is the same each time."""
    chance = random.Random(seed)
    numbers = iter(chance.sample(range(100, 1000), 100))

    def calls(kind: str, count: int, expected: int = 200) -> list[Call]:
        return [Call(kind, next(numbers), expected) for _ in range(count)]

    mixed = [
        *(calls("products", 6) + calls("delivery", 8) + calls("stock", 4)),
        *(calls("reviews", 2) + calls("orders", 4, 201)),
    ]
    chance.shuffle(mixed)
    broken = [
        (Call("products", next(numbers), 502), "/faults/reset"),
        (Call("delivery", next(numbers), 502), "/faults/close"),
        (Call("products", next(numbers), 502), "/faults/truncated"),
        (Call("delivery", next(numbers), 502), "/status?code=503"),
        (Call("reviews", next(numbers), 502), "/status?code=500"),
        (Call("orders", next(numbers), 502), "/faults/reset"),
    ]
    chance.shuffle(broken)
    silent = calls("products", 1, 504) + calls("stock", 1, 504)
    dripping = calls("reviews", 1, 504)
    bursts = {gate: calls("products", AT_ONCE) for gate in (FIRST, SECOND, LAST)}
    script = {call.path: fault for call, fault in broken}
    script |= {call.path: "/faults/silence" for call in silent}
    script |= {call.path: DRIP for call in dripping}
    script |= {call.path: GATE + gate for gate, burst in bursts.items() for call in burst}
    return Schedule(
        burst=bursts[FIRST],
        mixed=mixed,
        faulty=[call for call, _ in broken],
        slow=silent + dripping,
        second_burst=bursts[SECOND],
        after_pause=calls("orders", 1, 201) + calls("products", 2) + calls("stock", 1),
        misses=[Call("stock", number, 404) for number in chance.sample(UNKNOWN, MISSES)],
        last_burst=bursts[LAST],
        script=script,
    )
