"""Lesson 11's working copy: it lies where it can be written to, and the words say where that is."""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import platformdirs
import pytest

from course.capstone import how_to_open, judge, working_copy
from course.capstone.working_copy import NAME, ORIGINAL, OWN_FOLDER, server_root


@pytest.fixture
def readonly(tmp_path):
    """A folder in which nothing can be made, not even by root: it is a file."""
    path = tmp_path / "course"
    path.touch()
    return path


@pytest.fixture
def serving(tmp_path, monkeypatch):
    """Call it with a folder: this process's parent is then a Jupyter server that shows it."""
    runtime = tmp_path / "runtime"
    runtime.mkdir()
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(runtime))

    def serve(folder):
        folder.mkdir(parents=True, exist_ok=True)
        info = runtime / f"jpserver-{os.getppid()}.json"
        info.write_text(json.dumps({"root_dir": str(folder)}), encoding="utf-8")
        return folder

    return serve


@pytest.fixture
def data(tmp_path, monkeypatch):
    """The user's data folder."""
    monkeypatch.setattr(
        platformdirs, "user_data_path", lambda name: tmp_path / "home" / ".share" / name
    )
    return tmp_path / "home" / ".share" / OWN_FOLDER


def test_it_lies_beside_the_notebook_and_is_never_overwritten(tmp_path, monkeypatch, serving):
    monkeypatch.chdir(tmp_path)
    path = working_copy()
    assert path.resolve() == tmp_path / NAME
    assert path.read_text(encoding="utf-8") == ORIGINAL.read_text(encoding="utf-8")
    path.write_text("mine", encoding="utf-8")
    assert working_copy().read_text(encoding="utf-8") == "mine"
    assert "in the list at the left" in str(how_to_open(path))
    serving(tmp_path)
    assert "in the list at the left" in str(how_to_open(path))


def test_a_server_that_shows_another_folder_has_no_list_with_it(tmp_path, monkeypatch, serving):
    monkeypatch.chdir(tmp_path)
    serving(tmp_path / "elsewhere")
    words = str(how_to_open(working_copy()))
    assert "lies beside this notebook" in words
    assert "in the list" not in words
    assert f"%%writefile {tmp_path / NAME}" in words


def test_in_a_readonly_course_it_lies_in_the_folder_that_jupyter_shows(readonly, serving, data):
    root = serving(readonly.parent / "home")
    path = working_copy(readonly)
    assert path == root / NAME
    assert f"Open from Path, and type `{NAME}`" in str(how_to_open(path))
    assert not data.exists()


def test_else_in_the_users_data_folder_which_jupyter_hides(readonly, serving, data, monkeypatch):
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(readonly / "nothing"))
    assert server_root() is None
    path = working_copy(readonly)
    assert path == data / NAME
    words = str(how_to_open(path))
    assert "lies elsewhere" in words
    assert "does not show" in words
    assert f"%load {path}" in words
    serving(readonly.parent / "home")
    assert "does not show" in str(how_to_open(path))  # a folder whose name begins with a dot


def test_a_temporary_folder_comes_last(readonly, data, monkeypatch):
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(readonly))
    monkeypatch.setattr(platformdirs, "user_data_path", lambda name: readonly / name)
    temporary = readonly.parent / "temporary"
    monkeypatch.setattr("tempfile.tempdir", str(temporary))
    temporary.mkdir()
    path = working_copy(readonly)
    assert path == own_folder(temporary) / NAME
    path.write_text("mine", encoding="utf-8")
    assert working_copy(readonly).read_text(encoding="utf-8") == "mine"
    monkeypatch.setattr("tempfile.tempdir", str(readonly))
    with pytest.raises(OSError, match=r"no folder for my_storefront\.py can be written to"):
        working_copy(readonly)


def own_folder(temporary):
    user = f"-{os.getuid()}" if hasattr(os, "getuid") else ""
    return temporary / f"{OWN_FOLDER}{user}"


@pytest.mark.skipif(sys.platform == "win32", reason="there the temporary folder is the user's own")
@pytest.mark.parametrize("whose", ["this user's", "open to others", "another's", "a link"])
def test_the_temporary_folder_is_this_users_alone(readonly, data, monkeypatch, whose):
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(readonly))
    monkeypatch.setattr(platformdirs, "user_data_path", lambda name: readonly / name)
    temporary = readonly.parent / "temporary"
    temporary.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(temporary))
    if whose == "another's":
        user = os.getuid() + 1
        monkeypatch.setattr(os, "getuid", lambda: user)
    folder = own_folder(temporary)
    if whose == "this user's":
        assert working_copy(readonly).parent == folder
        assert folder.stat().st_mode & 0o777 == 0o700
        return
    if whose == "a link":
        (temporary / "elsewhere").mkdir(mode=0o700)
        folder.symlink_to(temporary / "elsewhere")
    else:
        folder.mkdir(mode=0o700 if whose == "another's" else 0o777)
        folder.chmod(0o700 if whose == "another's" else 0o777)
    with pytest.raises(OSError, match=r"no folder for my_storefront\.py can be written to"):
        working_copy(readonly)
    assert not list(temporary.rglob(NAME))


@pytest.fixture
def run_unprivileged():
    """Run Python code in a process that may not write where it is, and return what it prints.

    Root may write anywhere, so its process is nobody's.
    """
    with tempfile.TemporaryDirectory() as top:
        home, course = Path(top, "home"), Path(top, "course")
        for folder in (home, course):
            folder.mkdir()
        user = {}
        if os.geteuid() == 0:
            import pwd  # not on Windows

            nobody = pwd.getpwnam("nobody")
            user = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
            os.chown(home, nobody.pw_uid, nobody.pw_gid)
        Path(top).chmod(0o755)
        course.chmod(0o555)
        own = {"HOME": str(home), "XDG_DATA_HOME": "", "JUPYTER_RUNTIME_DIR": str(home)}
        env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), **own}

        def run(code):
            return subprocess.run(
                [sys.executable, "-c", code],
                **user,
                cwd=course,
                env=env,
                capture_output=True,
                encoding="utf-8",
                check=False,
            )

        yield run


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no unprivileged `nobody`")
def test_in_a_hubs_shared_folder_it_lies_in_the_users_own(run_unprivileged):
    try:
        readable = not run_unprivileged("import course").returncode
    except PermissionError:
        readable = False
    if not readable:
        pytest.skip("Python or this course is installed where another user may not read it")
    done = run_unprivileged(
        "from course.capstone import how_to_open, working_copy\n"
        "path = working_copy(); path.write_text('mine'); print(working_copy().read_text())\n"
        "print(path, how_to_open(path), sep='\\n')"
    )
    assert not done.returncode, done.stderr
    text, path, title, *_ = done.stdout.splitlines()
    assert text == "mine"
    assert path.endswith(f"{OWN_FOLDER}/{NAME}")
    assert "/home/" in path
    assert title.endswith("since this notebook's folder cannot be written to")


@pytest.mark.anyio
async def test_an_untouched_copy_is_not_attempted(tmp_path):
    path = working_copy(tmp_path)
    path.write_text("# mine\n" + path.read_text(encoding="utf-8"), encoding="utf-8")
    assert (await judge(path)).outcome == "not attempted"


def test_the_lesson_was_stored_beside_an_untouched_copy():
    lesson = (ORIGINAL.parent.parent / "11-capstone.ipynb").read_text(encoding="utf-8")
    assert f'"{NAME}: not attempted, it is still as it was given.' in lesson
    assert f'"{NAME} lies beside this notebook' in lesson


def test_git_ignores_the_copy(git):
    name = f"notebooks/{NAME}"
    assert git("check-ignore", name).strip() == name
