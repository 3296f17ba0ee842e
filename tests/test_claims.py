"""Verdicts follow from the parts of a claim, and a careless one is refused."""

import pytest

from course.claims import CLAIMS, claims, verdict


@pytest.mark.parametrize(
    ("parts", "answer"),
    [
        ({"a": True}, "true"),
        ({"a": True, "b": True}, "true"),
        ({"a": False}, "false"),
        ({"a": False, "b": False}, "false"),
        ({"a": True, "b": False}, "half"),
    ],
)
def test_the_answer_follows_from_the_parts(parts, answer):
    assert verdict("C1", parts).answer == answer


def test_the_text_names_the_claim_the_answer_and_each_part():
    text = repr(verdict("C2", {"it works": False, "it fails": True}))
    assert text.splitlines() == [
        "Verdict C2: half",
        f"  the article: {CLAIMS['C2']}",
        "   no: it works",
        "  yes: it fails",
    ]


def test_html_is_escaped_and_backticks_become_code():
    shown = verdict("C1", {"`a<b`": True})._repr_html_()
    assert "<code>a&lt;b</code>" in shown
    assert "a<b" not in shown


@pytest.mark.parametrize(
    ("claim", "parts", "words"),
    [
        ("C17", {"a": True}, "unknown claim 'C17'; there are C1, C2"),
        ("C1", {}, "at least one part"),
        ("C1", {"a": "false"}, "True or False, not 'false'"),
    ],
)
def test_bad_input_is_named(claim, parts, words):
    with pytest.raises(ValueError, match=words):
        verdict(claim, parts)


def test_the_table_holds_all_sixteen():
    assert list(CLAIMS) == [f"C{number}" for number in range(1, 17)]
    assert len(claims().rows) == 16
    assert claims()._repr_html_().count("<tr>") == 17
