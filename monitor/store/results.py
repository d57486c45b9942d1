"""What jobs write besides predictions: a table of verbs, each with its body. `POST /api/v1/results/VERB` and
`doors.OpenDoor.write` come from it; the work is done by the writing thread of the store owner.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec

from monitor.errors import BadInput, NotFound
from monitor.ingest.redact import Redactor
from monitor.store import benchmarks, canaries, drift, jobs, reports
from monitor.store.database import Connection
from monitor.store.owner import StoreOwner


@dataclass(frozen=True, slots=True)
class Verb:
    """One thing that can be written."""

    name: str
    body: type[msgspec.Struct]
    write: Callable[[Connection, Any, datetime], dict[str, Any]]


VERBS = {
    verb.name: verb
    for verb in (
        Verb("job-claim", jobs.Claim, jobs.claim),
        Verb("job-ask", jobs.AskFor, jobs.ask_for),
        Verb("job-take", jobs.Take, jobs.take),
        Verb("job-table", jobs.Table, jobs.know_jobs),
        Verb("job-beat", jobs.Beat, jobs.beat),
        Verb("job-end", jobs.End, jobs.end),
        Verb("canary-suite", canaries.SuiteVersion, canaries.know_suite),
        Verb("canary-sweep", canaries.Sweep, canaries.sweep),
        Verb("canary-claim", canaries.ClaimRun, canaries.claim_run),
        Verb("canary-results", canaries.Results, canaries.add_results),
        Verb("canary-end", canaries.EndRun, canaries.end_run),
        Verb("canary-signals", canaries.Signals, canaries.set_signals),
        Verb("canary-accept", canaries.Baseline, canaries.accept),
        Verb("benchmark-claim", benchmarks.ClaimRun, benchmarks.claim_run),
        Verb("benchmark-results", benchmarks.Results, benchmarks.add_results),
        Verb("benchmark-end", benchmarks.EndRun, benchmarks.end_run),
        Verb("benchmark-forget", benchmarks.Forget, benchmarks.forget),
        Verb("drift-features", drift.Described, drift.describe),
        Verb("drift-cell", drift.Cell, drift.end_cell),
        Verb("drift-images", drift.Images, drift.know_images),
        Verb("drift-reference", drift.NewReference, drift.refer),
        Verb("drift-want", drift.Wish, drift.want),
        Verb("drift-granted", drift.Granted, drift.grant),
        Verb("drift-complete", drift.Complete, drift.complete),
        Verb("drift-judgement", drift.Judgement, drift.judge),
        Verb("drift-changes", drift.Changes, drift.derive_changes),
        Verb("drift-threshold", drift.Threshold, drift.set_threshold),
        Verb("drift-report-ask", reports.AskFor, reports.ask_for),
        Verb("drift-report-take", reports.Take, reports.take),
        Verb("drift-report-step", reports.Step, reports.step),
        Verb("drift-report-end", reports.Done, reports.end),
        Verb("drift-report-fail", reports.Failed, reports.fail),
    )
}

TEXTS = (
    "log",
    "problem",
    "reason",
    "question",
    "target",
    "answer",
    "failed",
    "error_message",
    "checks",
    "notes",
)
"""Fields that may repeat what a model said; they are redacted like predictions."""


def write(owner: StoreOwner, name: str, body: bytes) -> dict[str, Any]:
    """Do one verb. Raises NotFound, BadInput and what the store raises."""
    verb = VERBS.get(name)
    if verb is None:
        raise NotFound(f"there is no result {name!r}; there are {', '.join(VERBS)}")
    try:
        checked = msgspec.json.decode(body, type=verb.body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadInput(f"{name}: {error}") from None
    _redact(checked, owner.redactor)
    # the clock is read when its turn comes: a beat that waited behind a backup is no old beat
    return owner.run(lambda con: verb.write(con, checked, owner.clock())).result()


def _redact(body: msgspec.Struct, redactor: Redactor) -> None:
    for name in TEXTS:
        if getattr(body, name, None):
            setattr(body, name, redactor.clean_json(getattr(body, name)))
    for one in getattr(body, "results", ()):
        _redact(one, redactor)
