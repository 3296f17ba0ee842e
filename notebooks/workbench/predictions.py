"""Commit to an answer before the run, and compare it with the run's.

    guess = predict("How many of 200 calls succeed?", ["all", "some", "none"])
    tally = await run_trials(...)
    guess.compare({"all": tally.ok == 200, "some": 0 < tally.ok < 200, "none": tally.ok == 0})
    # You predicted: some. The run says: none. It did not hold.

The run says which choice it is: a lesson's code does not spell the answer that a learner is still
to find. nbval compares the words with those stored, so another outcome turns the cell red.

Nothing is preselected and nothing waits: a notebook runs from top to bottom without a choice.
"""

import html
from collections.abc import Mapping, Sequence

import ipywidgets
from IPython.display import display

from workbench import diary
from workbench.table import marked

NO_CHOICE = "none of these choices"


class Prediction:
    """A question with its choices: a radio group in a notebook, a list where there are no widgets.

    `choice` is what was chosen, None before. What stands between backticks in the question is shown
    as code where HTML is; the buttons of a radio group show text only.
    """

    def __init__(self, question: str, choices: Sequence[str]) -> None:
        if isinstance(choices, str) or not all(isinstance(choice, str) for choice in choices):
            raise TypeError("choices must be a list of strings, such as ['all', 'some', 'none']")
        if len(choices) < 2 or len(set(choices)) < len(choices):
            raise ValueError(f"choices must be two or more different ones; got {list(choices)}")
        self.question = question
        self._noted = False  # the first choice that is compared counts
        self.choices = tuple(choices)
        self._buttons = ipywidgets.RadioButtons(
            options=self.choices,
            value=None,
            description="Your prediction:",
            style={"description_width": "initial"},
            layout={"width": "max-content"},
        )
        # ipywidgets gives each line the height of a button: a question of two lines falls apart.
        title = ipywidgets.HTML(
            f"<div style='line-height: 1.4'><strong>Predict:</strong> {marked(question)}</div>"
        )
        self._widget = ipywidgets.VBox([title, self._buttons])

    @property
    def choice(self) -> str | None:
        """What was chosen, None before."""
        return self._buttons.value

    def compare(self, held: Mapping[str, bool]) -> "Comparison":
        """Put the prediction beside what the run came to.

        held: each of the choices, with whether the run bore it out. One did, or none: a busy
        machine may bring a run to what the question did not foresee, and the comparison then says
        so. Such a one is not noted.

        Raises `ValueError` where the keys are not the choices, where a value is no bool, and where
        more than one is True.
        """
        if not isinstance(held, Mapping) or set(held) != set(self.choices):
            raise ValueError(f"compare takes each of {list(self.choices)}; it got {held!r}")
        if not all(isinstance(value, bool) for value in held.values()):
            raise ValueError(f"whether a choice held is True or False; got {dict(held)}")
        true = [choice for choice in self.choices if held[choice]]
        if len(true) > 1:
            raise ValueError(
                f"one choice at most holds after the run; {len(true)} of them do: {dict(held)}"
            )
        comparison = Comparison(self.choice, true[0] if true else NO_CHOICE)
        if true and comparison.held is not None and not self._noted:
            self._noted = True
            diary.note(prediction=self.question, chose=self.choice, held=comparison.held)
        return comparison

    def __repr__(self) -> str:
        return "\n".join([f"Predict: {self.question}", *(f"  ( ) {name}" for name in self.choices)])

    def _repr_mimebundle_(self, include=None, exclude=None):
        # The widget is what JupyterLab prefers; the others are for GitHub, nbviewer and the tests.
        items = "".join(f"<li>{marked(choice)}</li>" for choice in self.choices)
        question = f"<p><strong>Predict:</strong> {marked(self.question)}</p><ul>{items}</ul>"
        texts = {"text/plain": repr(self), "text/html": question}
        return {**(self._widget._repr_mimebundle_() or {}), **texts}


class Comparison:
    """How a prediction held. `held` is None if none was made."""

    def __init__(self, choice: str | None, outcome: str) -> None:
        self.choice = choice
        self.outcome = outcome
        self.held = None if choice is None else choice == outcome

    def __repr__(self) -> str:
        if self.choice is None:
            return f"No prediction made. The run says: {self.outcome}."
        verdict = "It held." if self.held else "It did not hold."
        return f"You predicted: {self.choice}. The run says: {self.outcome}. {verdict}"

    def _repr_html_(self) -> str:
        return f"<p><strong>{html.escape(repr(self))}</strong></p>"


_asked: dict[tuple[str, tuple[str, ...]], Prediction] = {}


def predict(question: str, choices: Sequence[str]) -> Prediction:
    """Show a question with its choices and return the prediction, to be compared after the run.

    Asked the same again, as when its cell is run once more, it keeps what was chosen.

    Raises `TypeError` or `ValueError` unless `choices` are two or more different strings.
    """
    prediction = Prediction(question, choices)
    prediction = _asked.setdefault((question, prediction.choices), prediction)
    display(prediction)
    return prediction
