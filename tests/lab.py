"""A running JupyterLab, used over its REST API and its kernels' channels, as its page does.

For what looks at a whole server from outside: tests/binder_replay.py and its like.
"""

import json
import uuid
from pathlib import Path

import httpx
import nbformat
import websocket


class Lab:
    """A Jupyter server at `url`, such as "http://127.0.0.1:8888/", entered with a token."""

    def __init__(self, url: str, token: str) -> None:
        self.url, self.token = url, token
        self._client = httpx.Client(
            base_url=url, headers={"Authorization": f"token {token}"}, timeout=60, trust_env=False
        )

    def __enter__(self) -> "Lab":
        return self

    def __exit__(self, *error: object) -> None:
        self._client.close()

    def status(self, path: str = "lab") -> int:
        """Return the status of a page, following redirects."""
        return self._client.get(path, follow_redirects=True).status_code

    def open(self, path: str) -> "Kernel":
        """Start the kernel of a notebook, named by its path on the server; return it."""
        body = {"path": path, "name": path, "type": "notebook", "kernel": {"name": "python3"}}
        session = self._client.post("api/sessions", json=body).raise_for_status().json()
        return Kernel(self, session["kernel"]["id"])

    def kernels(self) -> list[str]:
        """Return the ids of the kernels that run."""
        return [kernel["id"] for kernel in self._client.get("api/kernels").json()]

    def shut_down(self, kernel: "Kernel") -> None:
        """Do what the Kernel menu's "Shut Down Kernel" does."""
        self._client.delete(f"api/kernels/{kernel.id}").raise_for_status()


class Kernel:
    """One kernel of a Lab, reached by its WebSocket."""

    def __init__(self, lab: Lab, kernel_id: str) -> None:
        self.lab, self.id = lab, kernel_id

    def run_all(self, notebook: Path, patience: float = 120.0) -> list[str]:
        """Run the code cells of a notebook in order; return what went wrong that is not stored.

        A cell gets `patience` seconds. Raises ConnectionError when the kernel dies.
        """
        address = self.lab.url.replace("http", "ws", 1) + f"api/kernels/{self.id}/channels"
        headers = [f"Authorization: token {self.lab.token}"]
        wire = websocket.create_connection(
            address, header=headers, timeout=patience, http_no_proxy=["*"]
        )
        try:
            return [
                f"{notebook.name}, {cell.id}: {error}"
                for cell in nbformat.read(notebook, as_version=4).cells
                if cell.cell_type == "code" and (error := self._run(wire, cell.source))
                if not any(output.output_type == "error" for output in cell.outputs)
            ]
        finally:
            wire.close()

    def _run(self, wire: websocket.WebSocket, code: str) -> str | None:
        """Run one cell; return its error, or None. Ends with the kernel's word that it is idle."""
        request = uuid.uuid4().hex
        header = {"msg_id": request, "msg_type": "execute_request", "session": "page"}
        header |= {"username": "learner", "version": "5.3", "date": "1970-01-01T00:00:00Z"}
        content = {"code": code, "silent": False, "store_history": True, "stop_on_error": True}
        content |= {"user_expressions": {}, "allow_stdin": False}
        message = {"channel": "shell", "header": header, "content": content}
        wire.send(json.dumps({**message, "parent_header": {}, "metadata": {}, "buffers": []}))
        error = None
        while True:
            data = wire.recv()
            if not isinstance(data, str):  # a message with buffers, such as a widget's picture
                continue
            answer = json.loads(data)
            kind, content = answer["msg_type"], answer["content"]
            if kind == "status" and content["execution_state"] in {"restarting", "dead"}:
                raise ConnectionError(f"the kernel died of: {code[:60]}")
            if answer["parent_header"].get("msg_id") != request:
                continue
            if kind == "error":
                error = f"{content['ename']}: {content['evalue']}"
            if kind == "status" and content["execution_state"] == "idle":
                return error
