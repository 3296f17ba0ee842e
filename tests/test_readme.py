"""README: what it shows runs, what it names is there, its figures are those of the notebooks."""

import asyncio
import re
import subprocess

import httpx
import minutes
import pytest
from lesson import FOLDER, Lesson, deeper, main_paths

from server.local import LocalServer

ROOT = FOLDER.parent
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"(!?)\[([^\]]*)\]\(([^)\s]+)\)")
# In the list of failures: a link to a lesson, then what it is and, in `backticks`, what one sees.
FAILURE = re.compile(r"^- \[\d\d\]\((\S+)\): ((?:.|\n(?!- |\n))*)", re.MULTILINE)
EXAMPLE = "http://127.0.0.1:8000"


@pytest.fixture(scope="module")
def readme():
    return (ROOT / "README.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def answer(readme):
    """The section with the short answer."""
    return re.search(r"^## The short answer\n(?:.*\n)*?(?=!\[|## )", readme, re.MULTILINE)[0]


def blocks(text, kind):
    return [block for language, block in BLOCK.findall(text) if language == kind]


# The short answer


def test_the_short_answer_is_short(answer):
    assert len(answer.splitlines()) <= 40


def test_the_form_that_works_does(answer):
    (code,) = blocks(answer, "python")
    assert EXAMPLE in code
    with LocalServer() as server, server.ledger.watch() as seen:
        names = {"__name__": "__main__"}
        exec(compile(code.replace(EXAMPLE, server.url), "README.md", "exec"), names)
        server.ledger.wait_until(lambda ledger: seen.closed == 1)
        assert (seen.connections, seen.requests, seen.responses) == (1, 1, 1)
        assert seen.events[-1].by == "client"
        # It gives the answer's JSON, and its status is asked for.
        assert asyncio.run(names["main"](server.url + "/echo"))["json"] == {"order": 1}
        with pytest.raises(httpx.HTTPStatusError):
            asyncio.run(names["main"](server.url + "/nowhere"))
    assert names["TIMEOUT"] == httpx.Timeout(connect=3.0, read=10.0, write=10.0, pool=10.0)


@pytest.mark.anyio
@pytest.mark.filterwarnings("ignore:coroutine 'AsyncClient.post' was never awaited")
async def test_the_form_that_never_works_does_not(answer):
    assert "`async with client.post(url) as response:` never works" in answer
    with LocalServer() as server, server.ledger.watch() as seen:
        async with httpx.AsyncClient() as client:
            with pytest.raises(TypeError, match="context manager"):
                async with client.post(server.url + "/echo"):
                    pass
        assert (seen.connections, seen.requests) == (0, 0)


def test_each_failure_is_shown_by_the_lesson_that_it_names(answer):
    failures = FAILURE.findall(answer)
    assert len(failures) >= 5
    for target, words in failures:
        lesson = Lesson.read(ROOT / target)
        for symptom in re.findall(r"`([^`]+)`", words.replace("\n  ", " ")):
            text = symptom.partition(": ")[2] or symptom
            assert shows(lesson, text), f"{target} does not show {text}"


def shows(lesson, text):
    """Whether a cell's code, text or stored output has this text."""
    for cell in lesson.notebook.cells:
        shown = [output.get("text", "") or str(output) for output in cell.get("outputs", [])]
        if any(text in where.replace("\\'", "'") for where in (cell.source, *shown)):
            return True
    return False


def test_lesson_00_starts_with_the_same_code(answer):
    first = Lesson.read(FOLDER / "00-start-here.ipynb").notebook.cells[1].source
    assert first.startswith("## The short answer")
    assert blocks(first, "python") == blocks(answer, "python")


# Figures


def test_the_tables_and_the_sum_are_those_of_the_notebooks(readme):
    assert minutes.readme(readme) == readme, "run: python tests/minutes.py"


def test_the_tables_list_every_notebook(readme):
    rows = [target for _, target, _ in minutes.ROW.findall(readme)]
    assert rows == [str(path.relative_to(ROOT)) for path in (*main_paths(), *deeper())]


@pytest.mark.parametrize("path", [*main_paths(), *deeper()], ids=lambda path: path.stem)
def test_the_head_and_the_map_of_a_notebook_say_the_same(path):
    assert minutes.notebook(path) == path.read_text(encoding="utf-8"), "python tests/minutes.py"


def test_the_map_of_lesson_00_lists_every_lesson():
    cells = Lesson.read(FOLDER / "00-start-here.ipynb").notebook.cells
    targets = [target for cell in cells for _, target, _ in minutes.ROW.findall(cell.source)]
    assert targets == [path.name for path in main_paths()]


# Commands and links


def test_links_lead_to_files(readme):
    for _, _, target in LINK.findall(readme):
        if not target.startswith("https://"):
            assert (ROOT / target).exists(), target


def test_images_have_an_alternative_text(readme):
    images = [(text, target) for mark, text, target in LINK.findall(readme) if mark]
    assert images
    for text, target in images:
        assert len(text.split()) > 2, target


def test_commands_name_files_that_are_there(readme):
    named = re.findall(r"(?<!\S)(?!\.venv)[\w./-]+\.(?:txt|py|ipynb)\b", " ".join(bash(readme)))
    assert "requirements.txt" in named
    for name in named:
        assert (ROOT / name).is_file(), name


def bash(readme):
    return blocks(readme, "bash")


def test_each_setup_is_given_for_windows_too(readme):
    setups = [block for block in bash(readme) if "-m venv" in block]
    assert len(setups) == 2
    assert blocks(readme, "powershell") == [
        setup.replace("python3 ", "py ").replace(".venv/bin/", ".venv/Scripts/").replace("/", "\\")
        for setup in setups
    ]


def test_readme_and_ci_run_the_same_tests(readme):
    """The README's test command is pytest without a word more, as in .ci/run."""
    assert "-m pytest\n```" in readme
    assert "\npytest\n" in (ROOT / ".ci" / "run").read_text(encoding="utf-8")


def test_one_command_sets_the_badge_and_nothing_else(readme, tmp_path):
    (command,) = blocks(readme, "sh")
    copy = tmp_path / "README.md"
    copy.write_text(readme, encoding="utf-8")
    for named in ("ada/httpx-course", "grace.h/async_2"):  # set, and set once more
        line = command.replace("gh/ada/httpx-course/", f"gh/{named}/")
        subprocess.run(["sh", "-c", line], cwd=tmp_path, check=True)
        text = copy.read_text(encoding="utf-8")
        assert f"https://mybinder.org/v2/gh/{named}/HEAD?urlpath=" in text
        assert "OWNER/REPO" not in text
        # Only the badge's line and the command's own example have another name.
        changed = zip(readme.split("\n"), text.split("\n"), strict=True)
        assert {old for old, new in changed if old != new} <= {
            readme.split("\n")[2],
            command.strip(),
        }
    assert [path.name for path in tmp_path.iterdir()] == ["README.md"]
