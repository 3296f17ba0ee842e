"""What an outcome is called, and what is drawn where there are too many kinds."""

import httpx
import pytest

from workbench.outcomes import Kind, Outcome, at_most, counted_in, kinds_of, outcome_label


class Slotted(Exception):
    def __repr__(self):
        return "Slotted(\n  many=1\n)"


@pytest.mark.parametrize(
    ("result", "label"),
    [
        (TypeError("message"), "TypeError: message"),
        (httpx.ReadError(""), "ReadError('')"),
        (httpx.PoolTimeout("  "), "PoolTimeout('  ')"),
        (ValueError("first\nsecond\n"), "ValueError: first …"),
        (ValueError("\n only \n"), "ValueError: only"),
        (Slotted(), "Slotted( …"),
        (ValueError("tab\tbell\a"), "ValueError: tab bell "),
        (httpx.Response(200), "200 OK"),
        (httpx.Response(503), "503 Service Unavailable"),
        (httpx.Response(299), "299"),
        (None, "OK"),
        ("anything", "OK"),
    ],
)
def test_labels(result, label):
    assert outcome_label(result) == label


def test_kinds_that_have_no_room_are_put_together_and_still_counted():
    outcomes = [Outcome("OK"), *[Outcome(f"E: {n}", failed=True) for n in (1, 1, 2, 3)]]
    assert at_most(4, kinds_of(outcomes)) == kinds_of(outcomes)
    drawn = at_most(3, kinds_of(outcomes))
    assert drawn == [Kind("OK", 1, False), Kind("E: 1", 2, True), Kind("2 other outcomes", 2, True)]
    assert [kind.count for kind in counted_in(drawn, outcomes[2:])] == [0, 1, 2]
