"""What Binder would build from the committed tree, as far as it can be tried without docker.

repo2docker renders the Dockerfile; the slow half runs the pip step of that Dockerfile in a virtual
environment. Both work on an export of HEAD, because Binder sees what is committed. That the list of
requirements installs from nothing is what `.ci/run` shows first.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest

RENDER = [
    *(sys.executable, "-m", "repo2docker", "--no-build", "--debug"),
    *("--user-id", "1000", "--user-name", "jovyan", "--Repo2Docker.default_buildpack=None"),
    "--Repo2Docker.platform=linux/amd64",
]
LINK = r"https://mybinder\.org/v2/gh/[\w.-]+/[\w.-]+/HEAD\?urlpath=lab/tree/(.+)"
needs_linux = pytest.mark.skipif(os.name == "nt", reason="repo2docker renders for a POSIX shell")


@pytest.fixture(scope="module")
def export(git, tmp_path_factory):
    """A folder with the files of HEAD and nothing else."""
    folder = tmp_path_factory.mktemp("binder")
    archive, tree = folder / "head.zip", folder / "tree"
    try:
        git("archive", f"--output={archive}", "HEAD")
    except subprocess.CalledProcessError as error:
        pytest.skip(f"nothing is committed: {error.stderr.strip()}")
    shutil.unpack_archive(archive, tree)
    return tree


@pytest.fixture(scope="module")
def dockerfile(export):
    """The Dockerfile that repo2docker renders for the export, line by line."""
    pytest.importorskip("repo2docker", reason="needs tests/requirements.txt")
    done = subprocess.run([*RENDER, str(export)], capture_output=True, encoding="utf-8")
    assert done.returncode == 0, f"repo2docker cannot render this tree:\n{done.stderr}"
    assert "Building conda environment for python=3.12" in done.stderr
    return done.stdout.splitlines()


def pip_steps(dockerfile):
    """Each RUN of the Dockerfile that calls pip, as (line number, shell command)."""
    return [
        (number, line.removeprefix("RUN "))
        for number, line in enumerate(dockerfile)
        if line.startswith("RUN ") and "/bin/pip install" in line
    ]


@needs_linux
def test_the_whole_repository_is_there_before_pip_runs(dockerfile):
    (copied,) = [n for n, line in enumerate(dockerfile) if re.match(r"COPY .*\bsrc/ \$", line)]
    ((installed, command),) = pip_steps(dockerfile)
    assert '-r "binder/requirements.txt"' in command
    assert copied < installed, "requirements.txt's -e . needs the packages next to it"


@needs_linux
@pytest.mark.slow
def test_the_pip_step_gives_an_environment_for_the_lessons(export, dockerfile, tmp_path):
    prefix = tmp_path / "environment"
    venv.create(prefix, with_pip=True)
    base = {"base": str(prefix), "platbase": str(prefix)}
    # The packages of the list are taken from here; the tree's own are not, pip installs them.
    packages = Path(sysconfig.get_path("purelib", "posix_prefix", vars=base), "packages.pth")
    packages.write_text(sysconfig.get_path("purelib"), encoding="utf-8")
    clean = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    ((_, command),) = pip_steps(dockerfile)
    pip = subprocess.run(
        ["/bin/sh", "-c", command],
        cwd=export, env={**clean, "KERNEL_PYTHON_PREFIX": str(prefix), "PIP_NO_COMPILE": "1"},
        capture_output=True, encoding="utf-8",
    )  # fmt: skip
    assert pip.returncode == 0, pip.stdout[-2000:] + pip.stderr[-2000:]

    # Started elsewhere, so that the local packages come from the installation.
    names = "course, server, services, workbench"
    paths = f"[module.__file__ for module in ({names})]"
    imports = f"import httpx, jupyterlab, {names}; print(*{paths}, sep='\\n')"
    done = subprocess.run(
        [prefix / "bin" / "python", "-c", imports],
        cwd=tmp_path, env=clean, capture_output=True, encoding="utf-8",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert all(path.startswith(str(export)) for path in done.stdout.splitlines()), done.stdout


@needs_linux
def test_post_build_ends_idle_kernels_when_lesson_00_says_so(export, tmp_path):
    """Jupyter's own program reads what postBuild left, and gives the minutes of the lesson."""
    environment = {**os.environ, "HOME": str(tmp_path)}
    subprocess.run(["sh", "binder/postBuild"], cwd=export, env=environment, check=True)
    shown = subprocess.run(
        [sys.executable, "-m", "jupyter", "server", "--show-config-json"],
        env=environment, capture_output=True, encoding="utf-8", check=True,
    )  # fmt: skip
    seconds = json.loads(shown.stdout)["MappingKernelManager"]["cull_idle_timeout"]
    lesson = (export / "notebooks" / "00-start-here.ipynb").read_text(encoding="utf-8")
    assert f"a kernel that does nothing for {seconds // 60} minutes ends by itself" in lesson


def test_the_badge_opens_a_lesson_that_is_committed(export):
    readme = (export / "README.md").read_text(encoding="utf-8")
    links = re.findall(r"https://mybinder\.org/v2/gh/[^\s)\"]+", readme)
    assert links, "README.md has no Binder link"
    for link in links:
        path = re.fullmatch(LINK, link)
        assert path, f"not a link to a file in JupyterLab: {link}"
        assert path[1] == "notebooks/00-start-here.ipynb"
        assert (export / path[1]).is_file()
