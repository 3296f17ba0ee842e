"""Predictions: the question shown, the choice kept, the comparison's words."""

import itertools

import pytest

from workbench.predictions import Prediction, predict

WIDGET = "application/vnd.jupyter.widget-view+json"
CHOICES = ["all", "some", "none"]
questions = (f"How many succeed (question {number})?" for number in itertools.count())


def run_says(outcome):
    """What a cell computes from its run: each choice, with whether it held."""
    return {choice: choice == outcome for choice in CHOICES}


def choose(prediction, choice):
    """Choose as a click does."""
    prediction._buttons.value = choice


def test_nothing_is_preselected():
    guess = predict(next(questions), CHOICES)
    assert guess.choice is None
    assert repr(guess.compare(run_says("none"))) == "No prediction made. The run says: none."
    assert guess.compare(run_says("none")).held is None


def test_a_wrong_prediction():
    guess = predict(next(questions), CHOICES)
    choose(guess, "some")
    comparison = guess.compare(run_says("none"))
    words = "You predicted: some. The run says: none. It did not hold."
    assert repr(comparison) == words
    assert words in comparison._repr_html_()
    assert comparison.held is False


def test_a_right_prediction():
    guess = predict(next(questions), CHOICES)
    choose(guess, "none")
    assert (
        repr(guess.compare(run_says("none"))) == "You predicted: none. The run says: none. It held."
    )


@pytest.mark.parametrize(
    ("held", "words"),
    [
        ({"all": True, "some": True, "none": False}, r"2 of them do: {'all': True, 'some': True, "),
        (
            {"all": False, "none": True},
            r"each of \['all', 'some', 'none'\]; it got {'all': False, 'none': True}",
        ),
        ({**run_says("none"), "few": False}, r"it got {'all': .*'few': False}"),
        ("none", r"compare takes each of .*; it got 'none'"),
        ({"all": 0, "some": 3, "none": False}, "True or False; got {'all': 0, 'some': 3"),
    ],
    ids=[
        "two held",
        "one is missing",
        "one too many",
        "the answer spelled",
        "no bool",
    ],
)
def test_the_run_bears_out_one_of_the_choices_at_most(held, words):
    guess = predict(next(questions), CHOICES)
    with pytest.raises(ValueError, match=words):
        guess.compare(held)


def test_a_run_that_the_question_did_not_foresee_is_said_and_not_noted(tmp_path, monkeypatch):
    monkeypatch.setenv("HTTPX_COURSE_DATA", str(tmp_path))
    guess = predict(next(questions), CHOICES)
    none = dict.fromkeys(CHOICES, False)
    words = "The run says: none of these choices."
    assert repr(guess.compare(none)) == f"No prediction made. {words}"
    choose(guess, "none")
    assert repr(guess.compare(none)) == f"You predicted: none. {words} It did not hold."
    assert not list(tmp_path.iterdir())
    guess.compare(run_says("none"))
    assert list(tmp_path.iterdir())


def test_asked_again_it_keeps_the_choice():
    question = next(questions)
    choose(predict(question, CHOICES), "some")
    assert predict(question, CHOICES).choice == "some"
    assert predict(question, [*CHOICES, "half"]).choice is None
    assert predict(next(questions), CHOICES).choice is None


def test_readable_without_widgets_and_the_same_every_time():
    question = "Is <b> & < escaped?"
    bundles = [Prediction(question, CHOICES)._repr_mimebundle_() for _ in range(2)]
    assert bundles[0].keys() == {"text/plain", "text/html", WIDGET}
    assert bundles[0].pop(WIDGET)["model_id"] != bundles[1].pop(WIDGET)["model_id"]
    assert bundles[0] == bundles[1]
    assert bundles[0]["text/plain"] == f"Predict: {question}\n  ( ) all\n  ( ) some\n  ( ) none"
    assert "Is &lt;b&gt; &amp; &lt; escaped?" in bundles[0]["text/html"]
    assert all(f"<li>{choice}</li>" in bundles[0]["text/html"] for choice in CHOICES)


def test_code_is_shown_as_code_where_html_is():
    guess = Prediction("Does `a < b` hold?", ["`yes`", "no"])
    bundle = guess._repr_mimebundle_()
    assert "Does <code>a &lt; b</code> hold?" in bundle["text/html"]
    assert "Does <code>a &lt; b</code> hold?" in guess._widget.children[0].value
    assert bundle["text/plain"] == "Predict: Does `a < b` hold?\n  ( ) `yes`\n  ( ) no"


def test_the_same_text_whatever_was_chosen():
    """What is stored does not give a reader's choice away."""
    guess = predict(next(questions), CHOICES)
    before = repr(guess)
    choose(guess, "all")
    assert repr(guess) == before


def test_it_is_shown_without_being_the_last_line(capsys):
    question = next(questions)
    predict(question, CHOICES)
    assert question in capsys.readouterr().out


@pytest.mark.parametrize("choices", ["all", [1, 2]])
def test_choices_are_strings(choices):
    with pytest.raises(TypeError, match="list of strings"):
        predict("?", choices)


@pytest.mark.parametrize("choices", [[], ["all"], ["all", "all"]])
def test_choices_are_two_or_more_different_ones(choices):
    with pytest.raises(ValueError, match="two or more different"):
        predict("?", choices)
