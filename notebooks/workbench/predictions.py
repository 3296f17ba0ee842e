"""Commit to an answer before the run, and compare it with the run's.

    guess = predict("How many of 200 calls succeed?", ["all", "some", "none"])
    ...                                   # the run
    guess.compare("none")                 # You predicted: some. The run says: none.

Nothing is preselected and nothing waits, so a notebook runs from top to bottom without a choice.
"""

import html
from collections.abc import Sequence

import ipywidgets
from IPython.display import display


class Prediction:
    """A question with its choices: a radio group in a notebook, a list where there are no widgets.

    `choice` is what was chosen, None before.
    """

    def __init__(self, question: str, choices: Sequence[str]) -> None:
        if isinstance(choices, str) or not all(isinstance(choice, str) for choice in choices):
            raise TypeError("choices must be a list of strings, such as ['all', 'some', 'none']")
        if len(choices) < 2 or len(set(choices)) < len(choices):
            raise ValueError(f"choices must be two or more different ones; got {list(choices)}")
        self.question = question
        self.choices = tuple(choices)
        self._buttons = ipywidgets.RadioButtons(
            options=self.choices,
            value=None,
            description="Your prediction:",
            style={"description_width": "initial"},
            layout={"width": "max-content"},
        )
        title = ipywidgets.HTML(f"<strong>Predict:</strong> {html.escape(question)}")
        self._widget = ipywidgets.VBox([title, self._buttons])

    @property
    def choice(self) -> str | None:
        """What was chosen, None before."""
        return self._buttons.value

    def compare(self, outcome: str) -> "Comparison":
        """Put the prediction beside the outcome that the run computed.

        Raises `ValueError` for an outcome that is none of the choices.
        """
        if outcome not in self.choices:
            raise ValueError(
                f"the outcome {outcome!r} is none of {', '.join(map(repr, self.choices))}"
            )
        return Comparison(self.choice, outcome)

    def __repr__(self) -> str:
        return "\n".join([f"Predict: {self.question}", *(f"  ( ) {name}" for name in self.choices)])

    def _repr_mimebundle_(self, include=None, exclude=None):
        # The widget is what JupyterLab prefers; the others are for GitHub, nbviewer and the tests.
        items = "".join(f"<li>{html.escape(choice)}</li>" for choice in self.choices)
        question = f"<p><strong>Predict:</strong> {html.escape(self.question)}</p><ul>{items}</ul>"
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
