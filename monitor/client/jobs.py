"""What people ask of jobs, as a Python object: run one now, and accept what a canary answers as its baseline.

    jobs = Jobs("http://127.0.0.1:8600")
    jobs.run_now("canary-shapes", "mia")

What is read of jobs comes from the queries `jobs` and `job_runs`. The page asks; a scheduler takes it up.
"""

import secrets
import string
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from monitor.client.connection import Connection, checked, json_body

RUN_LETTERS = 16


class Jobs(Connection):
    """Jobs of one api. Raises what `Connection` says."""

    def run_now(self, job: str, asked_by: str) -> str:
        """Ask for a run; returns its id, or that of the run which waits already. A scheduler takes it up."""
        run = "".join(secrets.choice(string.ascii_lowercase) for _ in range(RUN_LETTERS))
        return str(self._post("job-ask", {"run": run, "job": job, "asked_by": asked_by})["run"])

    def accept(self, canary: str, deployment: str, by: str, reason: str) -> datetime:
        """What the deployment answers from now on is expected of it; returns since when. The next run learns anew."""
        body = {"canary": canary, "deployment": deployment, "by": by, "reason": reason}
        return datetime.fromisoformat(self._post("canary-accept", body)["since"])

    def _post(self, verb: str, body: Mapping[str, Any]) -> dict[str, Any]:
        with self._told():
            answer = self._http.post(f"/api/v1/results/{verb}", **json_body(body))
        return dict(checked(answer).json())
