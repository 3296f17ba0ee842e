"""The page for instructors: its links, its clock, its cells in a fresh kernel, its slides."""

import re
import subprocess
import sys

import pytest
from benchmarks.session import lessons, run
from lesson import FOLDER

from course import slides
from course.session import GUIDE, LESSONS, SECTION, steps

LINKS = re.compile(r"\]\(([^)\s]+)\)")
TEXT = GUIDE.read_text(encoding="utf-8")
STEPS = steps()
BLOCKS = [(step, *each) for step in STEPS for each in lessons(step.cells).items()]


def test_each_link_leads_to_a_file_and_each_cell_is_there():
    links = [link for link in LINKS.findall(TEXT) if not link.startswith("http")]
    for link in links:
        assert (FOLDER / link.partition("#")[0]).is_file(), link
    named = [cell for step in STEPS for cell in step.cells]
    assert all(one.cell["id"] == one.id for one in named)
    # Every link that leads to a cell is one that the session's parser has found.
    assert sum("#cell-id=" in link for link in LINKS.findall(SECTION.search(TEXT)[1])) == len(named)


def test_the_clock_adds_up():
    """A step begins where the one before ends, or at the same time: then one of two is shown."""
    ends = {0}
    for step in STEPS:
        assert step.at in ends, step.title
        ends.add(step.at + step.minutes)
    assert max(ends) == 90


def test_two_failures_are_shown_of_four():
    failures = [step for step in STEPS if step.title.startswith("Failure:")]
    assert [step.at for step in failures] == [20, 20, 37, 37]


def test_each_prediction_of_a_lesson_shown_is_asked_before_it_is_compared():
    for step in STEPS:
        sources = ["".join(one.cell["source"]) for one in step.cells]
        predicted = [re.search(r"(\w+) = predict\(", source) for source in sources]
        asked = [match[1] for match in predicted if match]
        compared = [name for s in sources for name in re.findall(r"(guess|which)\.compare\(", s)]
        assert asked == compared


@pytest.mark.slow
@pytest.mark.parametrize(("step", "lesson", "named"), BLOCKS, ids=[f"{b[1][:2]}" for b in BLOCKS])
def test_the_named_cells_run_in_a_fresh_kernel_without_the_others(step, lesson, named):
    assert len(dict(run(lesson, named))) == len(named) + 1


def test_what_slides_say_stands_in_a_lesson_or_is_the_pages_own():
    made = slides.notebook()["cells"]
    own = {"".join(one.cell["source"]) for step in STEPS for one in step.cells}
    headings = {f"## {step.title}" for step in STEPS} | {slides.TITLE}
    for cell in made:
        source = "".join(cell["source"])
        if cell["metadata"]["slideshow"]["slide_type"] == "notes":
            assert source.partition("\n\n")[2] in TEXT
        else:
            assert source in own | headings
    assert sum(cell["metadata"]["slideshow"]["slide_type"] == "notes" for cell in made) == len(
        STEPS
    )
    assert LESSONS == FOLDER


def test_an_answer_never_stands_on_the_slide_of_its_question():
    for cell in slides.notebook()["cells"]:
        if cell["metadata"]["slideshow"]["slide_type"] == "subslide":
            for output in cell.get("outputs", []):
                assert "".join(output["data"]["text/plain"]).startswith("Predict: ")


def test_the_slides_are_written_with_the_words_of_their_pictures(tmp_path):
    modules = tmp_path / "node_modules"
    (modules / "reveal.js" / "plugin").mkdir(parents=True)
    for name in ("requirejs/require.js", "jquery/dist/jquery.min.js", "reveal.js/dist/reveal.js"):
        (modules / name).parent.mkdir(parents=True, exist_ok=True)
        (modules / name).write_text("// stands for npm's", encoding="utf-8")
    command = [sys.executable, "-m", "course.slides", tmp_path / "out", "--offline", modules]
    subprocess.run(command, check=True, capture_output=True)
    page = (tmp_path / "out" / "session.slides.html").read_text(encoding="utf-8")
    assert (tmp_path / "out" / "reveal.js" / "dist" / "reveal.js").is_file()
    assert '"reveal.js/dist/reveal.js"' in page
    assert 'src="require.js"' in page
    assert "No description has been provided" not in page
    assert 'alt="The snippet: 0 of 400 succeed.' in page
    assert page.count('<aside class="notes">') == len(STEPS)
