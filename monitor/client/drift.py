"""What people decide about drift, as a Python object: thresholds, and what a deployment is compared with.

    with Drift("http://127.0.0.1:8600") as drift:
        drift.set_threshold("vision-prod", "prompt_chars", 0.2, by="mia", reason="lengths vary by campaign")

What there is comes from the queries `drift_thresholds`, `drift_references` and `drift_wishes`. The page and scripts
ask; the job `drift` sees to it.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal

from monitor.client.connection import Connection, checked, json_body

Kind = Literal["pinned", "rolling", "deployment"]


class Drift(Connection):
    """Drift of one api. Raises what `Connection` says."""

    def set_threshold(self, deployment: str, feature: str, threshold: float | None, *, by: str, reason: str) -> None:
        """From which effect on a feature counts as moved from now on; no feature: all, no threshold: the default."""
        body = {"deployment": deployment, "feature": feature, "threshold": threshold, "by": by, "reason": reason}
        self._post("drift-threshold", body)

    def want(
        self, deployment: str, kind: Kind, name: str, *, by: str, reason: str, source: str = "production", **spec: Any
    ) -> str:
        """Ask for another reference; returns the id of the wish. `spec`: other, starts and ends (aware), days."""
        spec = {key: value.isoformat() if isinstance(value, datetime) else value for key, value in spec.items()}
        body = {"source": source, "deployment": deployment, "kind": kind, "name": name, "by": by, "reason": reason}
        return str(self._post("drift-want", body | spec)["wish"])

    def _post(self, verb: str, body: Mapping[str, Any]) -> dict[str, Any]:
        with self._told():
            answer = self._http.post(f"/api/v1/results/{verb}", **json_body(body))
        return dict(checked(answer).json())
