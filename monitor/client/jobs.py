"""What people ask of jobs, as a Python object: run one now, and accept what a canary answers as its baseline.

    jobs = Jobs("http://127.0.0.1:8600")
    jobs.run_now("canary-shapes", "mia")

What is read of jobs comes from the queries `jobs` and `job_runs`. The page asks; a scheduler takes it up.
"""

import secrets
import string
import threading
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Self

import httpx
import msgspec

from monitor.client.reader import TIMEOUT, Unreachable, _error_of, _reason

RUN_LETTERS = 16


class Jobs:
    """One connection pool to one api; safe to share between threads.

    Every method raises what `Reader` raises: BadInput, NotFound, Overloaded, StoreError, Unreachable.
    """

    def __init__(self, base_url: str) -> None:
        self.address = base_url.rstrip("/")
        self._http = httpx.Client(base_url=self.address, timeout=TIMEOUT, trust_env=False)
        self._lock = threading.Lock()
        self._down_since: datetime | None = None

    def run_now(self, job: str, asked_by: str) -> str:
        """Ask for a run; returns its id, or that of the run which waits already. A scheduler takes it up."""
        run = "".join(secrets.choice(string.ascii_lowercase) for _ in range(RUN_LETTERS))
        return str(self._post("job-ask", {"run": run, "job": job, "asked_by": asked_by})["run"])

    def accept(self, canary: str, deployment: str, by: str, reason: str) -> datetime:
        """What the deployment answers from now on is expected of it; returns since when. The next run learns anew."""
        body = {"canary": canary, "deployment": deployment, "by": by, "reason": reason}
        return datetime.fromisoformat(self._post("canary-accept", body)["since"])

    def close(self) -> None:
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _post(self, verb: str, body: Mapping[str, Any]) -> dict[str, Any]:
        headers = {"Content-Type": "application/json"}
        try:
            answer = self._http.post(f"/api/v1/results/{verb}", content=msgspec.json.encode(body), headers=headers)
        except httpx.TransportError as error:
            with self._lock:
                since = self._down_since = self._down_since or datetime.now(UTC)
            raise Unreachable(self.address, since, _reason(error)) from error
        with self._lock:
            self._down_since = None
        if answer.is_error:
            raise _error_of(answer)
        return dict(answer.json())
