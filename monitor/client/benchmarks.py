"""Uploading results of benchmarks as a Python object; the page and scripts use it.

    benchmarks = Benchmarks("http://127.0.0.1:8600")
    for line in benchmarks.upload(Path("results.zip").read_bytes(), "results.zip"): ...

What is read of benchmarks comes from the queries named `benchmark...`.
"""

from typing import Any

from monitor.client.connection import Connection, checked

UPLOAD_S = 300.0
"""A large archive is read and scored before the api answers."""


class Benchmarks(Connection):
    """Benchmarks of one api. Raises what `Connection` says."""

    def upload(
        self,
        content: bytes,
        name: str,
        *,
        checkpoint: str = "",
        model: str = "",
        step: int | None = None,
        harness: str = "",
    ) -> list[dict[str, Any]]:
        """Import a file or a zip; returns a line for each evaluation: its `outcome`, what it is, and `words`.

        Without `checkpoint` the names in the files say whose results they are. Importing again changes nothing.
        """
        asked = {"name": name, "checkpoint": checkpoint, "model": model, "step": step, "harness": harness}
        with self._told():
            answer = self._http.post(
                "/api/v1/benchmarks",
                content=content,
                params={key: value for key, value in asked.items() if value not in ("", None)},
                headers={"Content-Type": "application/octet-stream"},
                timeout=UPLOAD_S,
            )
        return [dict(line) for line in checked(answer).json()["lines"]]
