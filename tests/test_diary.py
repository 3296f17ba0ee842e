"""What a learner has done is kept over kernels, stays whole, and can be forgotten."""

import json
import os
import subprocess
import sys

import platformdirs
import pytest
from lesson import FOLDER

from course import check, exercises, forget_progress, progress
from course.progress_page import NOTHING_YET, _asked
from workbench import diary
from workbench.predictions import Prediction

KNOWN = "How many connections will the server see for two requests?"  # lesson 00 asks it


@pytest.fixture
def folder(monkeypatch, tmp_path):
    """A learner's data folder that is not there yet."""
    monkeypatch.setattr(diary, "_unwritten", [])
    monkeypatch.setenv(diary.SETTING, str(tmp_path / "data"))
    return tmp_path / "data"


def predicted(choice="two", question=KNOWN):
    """Predict and compare, as a learner's kernel does."""
    prediction = Prediction(question, ["one", "two"])
    prediction._buttons.value = choice
    prediction.compare({"one": True, "two": False})
    return prediction


def in_another_kernel(code):
    return subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)


def row(page, name):
    return next(line for line in str(page).splitlines() if line.startswith(name)).split()


def test_it_lies_in_the_users_data_folder_unless_the_setting_names_another(monkeypatch, tmp_path):
    monkeypatch.setattr(platformdirs, "user_data_path", lambda name: tmp_path / name)
    monkeypatch.delenv(diary.SETTING, raising=False)
    assert diary.diary_file() == tmp_path / "httpx-async-course" / "progress.jsonl"
    monkeypatch.setenv(diary.SETTING, str(tmp_path / "hub"))
    assert diary.diary_file() == tmp_path / "hub" / "progress.jsonl"
    monkeypatch.setenv(diary.SETTING, "")
    assert diary.diary_file() is None


def test_the_tests_and_the_notebooks_they_run_touch_no_learners_file():
    assert os.environ[diary.SETTING] == ""
    assert diary.diary_file() is None


def test_nothing_is_written_before_something_was_done(folder):
    prediction = Prediction(KNOWN, ["one", "two"])
    prediction.compare({"one": True, "two": False})
    assert check("00-1", exercises.find("00-1").starter).outcome == "not attempted"
    assert NOTHING_YET in repr(progress())
    assert not folder.exists()


def test_a_prediction_and_an_exercise_are_there_in_the_next_kernel(folder):
    predicted("two")
    assert check("00-1", exercises.find("00-1").solution).outcome == "correct"
    shown = in_another_kernel("from course import progress; print(progress())").stdout
    exercises_of_00 = sum(name.startswith("00-") for name in exercises.ids())
    seen = " ".join(row(shown, "00-start-here"))
    assert seen == f"00-start-here 1 of 1 0 1 of {exercises_of_00}"
    assert shown.startswith("1 predicted, 0 of them held. 1 solved")
    assert str(folder) in shown


def test_the_first_prediction_counts(folder):
    again = predicted("two")
    again.compare({"one": False, "two": True})
    predicted("one")
    assert progress().predicted == {KNOWN: False}


def test_a_check_that_fails_after_one_that_passed_leaves_it_solved(folder):
    diary.note(exercise="03-1", outcome="correct")
    diary.note(exercise="03-1", outcome="wrong")
    diary.note(exercise="03-2", outcome="error")
    page = progress()
    assert (page.solved, page.tried) == ({"03-1"}, {"03-1", "03-2"})
    assert row(page, "03-closed")[-3:-1] == ["1", "of"]


def test_the_capstone_counts(folder):
    diary.note(exercise="capstone", outcome="correct")
    assert row(progress(), "11-capstone")[-3:] == ["1", "of", "1"]


def test_every_question_of_the_lessons_is_found_once_and_has_a_notebook():
    asked = [question for questions in _asked().values() for question in questions]
    notebooks = [*FOLDER.glob("*.ipynb"), *FOLDER.glob("deeper/*.ipynb")]
    calls = sum(path.read_text(encoding="utf-8").count("predict(\\n") for path in notebooks)
    assert len(asked) == len(set(asked)) >= calls > 0
    assert _asked().keys() == {
        path.relative_to(FOLDER).with_suffix("").as_posix() for path in notebooks
    }
    main = [name for name in _asked() if "/" not in name]
    assert all(_asked()[name] for name in main)


def test_what_was_predicted_beyond_the_lessons_has_a_row(folder):
    name, questions = next(i for i in _asked().items() if "/" in i[0])
    assert name not in repr(progress())
    predicted("one", questions[0])
    assert " ".join(row(progress(), name)) == f"{name} 1 of 1 1 -"


def test_kernels_that_note_at_the_same_time_lose_nothing(folder):
    code = (
        "import sys; from workbench import diary\n"
        "for n in range(200): diary.note(exercise=f'{sys.argv[1]}-{n}', outcome='correct')"
    )
    kernels = [subprocess.Popen([sys.executable, "-c", code, str(k)]) for k in range(4)]
    assert [kernel.wait(60) for kernel in kernels] == [0] * 4
    page = progress()
    assert page.solved == {f"{k}-{n}" for k in range(4) for n in range(200)}
    assert page.problem == ""


@pytest.mark.parametrize("damage", [b'{"on": "2026', b"\xff\xfe\n", b"[1]\n", b'"words"\n\n'])
def test_a_damaged_line_is_told_and_costs_no_other(folder, damage):
    diary.note(exercise="01-1", outcome="correct")
    with (folder / diary.NAME).open("ab") as file:
        file.write(damage)
    diary.note(exercise="02-1", outcome="correct")
    page = progress()
    assert page.solved == {"01-1", "02-1"}
    assert page.problem == f"1 line of {folder / diary.NAME} cannot be read; the others count."
    assert page.problem in repr(page)
    assert page.problem in page._repr_html_()


@pytest.mark.parametrize(
    "entry", [{}, {"prediction": 3, "held": True}, {"exercise": ["01-1"], "outcome": "correct"}]
)
def test_an_entry_that_says_nothing_is_passed_over(folder, entry):
    folder.mkdir()
    (folder / diary.NAME).write_text(json.dumps(entry) + "\n", encoding="utf-8")
    assert NOTHING_YET in repr(progress())


def test_a_place_that_cannot_be_written_to_stops_no_lesson_and_loses_nothing(folder):
    folder.write_text("a file where the folder should be", encoding="utf-8")
    predicted("one")
    diary.note(exercise="01-1", outcome="correct")
    page = progress()
    assert (page.predicted, page.solved) == ({KNOWN: True}, {"01-1"})
    assert page.problem.startswith(str(folder / diary.NAME))
    assert "cannot be" in page.problem
    folder.unlink()  # and now it can
    assert progress().problem == ""
    assert len((folder / diary.NAME).read_text(encoding="utf-8").splitlines()) == 2


def test_a_file_without_the_right_to_write(folder, monkeypatch):
    def refuse():
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(diary, "_write", refuse)
    diary.note(exercise="01-1", outcome="correct")
    page = progress()
    assert page.solved == {"01-1"}
    assert "cannot be written to: what is new is kept until this kernel ends" in page.problem


def test_forgotten_in_one_call(folder):
    diary.note(exercise="01-1", outcome="correct")
    assert repr(forget_progress()) == "Your progress is forgotten"
    assert NOTHING_YET in repr(progress())
    assert list(folder.iterdir()) == []
    forget_progress()  # nothing there is no failure


def test_a_teacher_reads_the_copy_that_a_learner_has_made(folder, tmp_path):
    predicted("two")
    diary.note(exercise="01-1", outcome="correct")
    progress().save(tmp_path / "ada.jsonl")
    forget_progress()
    theirs = progress(tmp_path / "ada.jsonl")
    assert (theirs.predicted, theirs.solved) == ({KNOWN: False}, {"01-1"})
    assert str(folder) not in repr(theirs)
    gone = progress(tmp_path / "grace.jsonl").problem
    assert gone == f"{tmp_path / 'grace.jsonl'} cannot be read: No such file or directory."


def test_switched_off_it_knows_what_this_kernel_did(monkeypatch, tmp_path):
    monkeypatch.setattr(diary, "_unwritten", [])
    monkeypatch.setattr(platformdirs, "user_data_path", lambda name: tmp_path / name)
    monkeypatch.setenv(diary.SETTING, "")
    diary.note(exercise="01-1", outcome="correct")
    page = progress()
    assert (page.solved, page.problem) == ({"01-1"}, "")
    assert list(tmp_path.iterdir()) == []
