"""Full reports of drift as a Python object; the page and scripts ask for them and read them with it.

    reports = DriftReports("http://127.0.0.1:8600")
    report = reports.ask(deployment="vision-prod", start="-24h", end="now", asked_by="mia")

How far it is, and what there is, is told by the query `drift_reports`.
"""

from datetime import datetime
from typing import Any

from monitor.client.connection import Connection, checked, json_body

TIMEOUT_S = 60.0
"""A report has some five megabytes."""


class DriftReports(Connection):
    """Reports of one api. Raises what `Connection` says."""

    def ask(self, *, deployment: str, start: datetime | str, end: datetime | str, asked_by: str, **more: Any) -> str:
        """Ask for a report; returns its id, or that of the same one that waits already.

        `more`: source, reference, reference_start, reference_end, reference_deployment, preset, features, sample, seed.
        """
        body = {"deployment": deployment, "start": start, "end": end, "asked_by": asked_by} | more
        with self._told():
            answer = self._http.post("/api/v1/drift-reports", **json_body(body))
        return str(checked(answer).json()["id"])

    def page(self, id_: str) -> bytes:
        """A report that is done, as HTML that needs nothing else."""
        return self._file(id_, "html")

    def figures(self, id_: str) -> bytes:
        """A report that is done, as JSON."""
        return self._file(id_, "json")

    def _file(self, id_: str, kind: str) -> bytes:
        with self._told():
            answer = self._http.get(f"/api/v1/drift-reports/{id_}.{kind}", timeout=TIMEOUT_S)
        return checked(answer).content
