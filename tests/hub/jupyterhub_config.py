"""The hub of the test: on loopback, without passwords, a process for each learner.

Not to be copied: those to copy are beside the page for instructors. The test sets what is read from
the environment.
"""

import os
import shutil
import sys
from pathlib import Path

c = get_config()  # noqa: F821  # traitlets gives it

folder = Path(os.environ["HUB_FOLDER"])
course = Path(os.environ["HUB_COURSE"])
public, hub, api = (f"http://127.0.0.1:{port}" for port in os.environ["HUB_PORTS"].split())


def copy_the_lessons(spawner):
    """Give a learner a copy to write in, once: what nbgitpuller does on a real hub."""
    own = Path(spawner.user_options.get("home", folder / "home" / spawner.user.name))
    own.mkdir(parents=True, exist_ok=True)
    for path in course.iterdir():
        if path.suffix == ".ipynb" and not (own / path.name).exists():
            shutil.copyfile(path, own / path.name)
    shutil.copytree(course / "services", own / "services", dirs_exist_ok=True)


c.JupyterHub.bind_url = public
c.JupyterHub.hub_bind_url = hub
c.ConfigurableHTTPProxy.api_url = api
c.ConfigurableHTTPProxy.command = [os.environ["HUB_PROXY"]]
c.JupyterHub.db_url = f"sqlite:///{folder / 'hub.sqlite'}"
c.JupyterHub.cookie_secret_file = str(folder / "cookie_secret")
c.JupyterHub.pid_file = str(folder / "hub.pid")
c.JupyterHub.authenticator_class = "dummy"
c.Authenticator.allow_all = True
c.JupyterHub.spawner_class = "jupyterhub.spawner.SimpleLocalProcessSpawner"
c.SimpleLocalProcessSpawner.home_dir_template = str(folder / "home" / "{username}")
c.Spawner.cmd = [sys.executable, "-m", "jupyterhub.singleuser"]
c.Spawner.args = ["--allow-root", "--MappingKernelManager.cull_idle_timeout=900"]
c.Spawner.env_keep = ["PATH", "PYTHONPATH", "VIRTUAL_ENV", "NO_PROXY", "no_proxy"]
c.Spawner.pre_spawn_hook = copy_the_lessons
c.Spawner.start_timeout = c.Spawner.http_timeout = 300
c.JupyterHub.concurrent_spawn_limit = 30  # who comes beyond that is asked to try again
c.JupyterHub.services = [{"name": "class", "api_token": os.environ["HUB_TOKEN"]}]
c.JupyterHub.load_roles = [
    {
        "name": "class",
        "services": ["class"],
        "scopes": ["admin:users", "admin:servers", "access:servers"],
    }
]
