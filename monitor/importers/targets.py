"""Where a column can go: one line per target, and the well-known column names of each.

`mapping.py` maps by it; the messages, `docs/import.md` and its test list it.
"""

import re
from dataclasses import dataclass

from monitor.importers.cells import (
    Put,
    put_as_is,
    put_attribute,
    put_count,
    put_error,
    put_feature,
    put_feedback,
    put_json,
    put_name,
    put_number,
    put_seconds,
    put_status,
    put_text,
)


@dataclass(frozen=True, slots=True)
class Target:
    """A place in the event: its name in `--map` and `--set`, the event's field, and how a cell is written there."""

    name: str
    field: str
    put: Put
    help: str

    @property
    def claim(self) -> str:
        """What no other column may fill as well: the field, or one key of features or attrs."""
        return self.name if "." in self.name else self.field


TARGETS = (
    Target("ts", "ts", put_as_is, "start of the request"),
    Target("event_id", "event_id", put_name, "unique id"),
    Target("deployment", "deployment", put_name, "what answered"),
    Target("model", "model", put_name, "model family"),
    Target("checkpoint", "checkpoint", put_name, "revision of the weights"),
    Target("environment", "environment", put_name, "production, staging ..."),
    Target("source", "source", put_name, "production, canary, probe, shadow or demo"),
    Target("status", "status", put_status, "ok, error, or an HTTP status"),
    Target("error", "error_type", put_error, "empty when good; class or message when failed"),
    Target("error_type", "error_type", put_name, "class of the error"),
    Target("error_message", "error_message", put_text, "text of the error"),
    Target("finish_reason", "finish_reason", put_name, "why it stopped"),
    Target("latency_ms", "latency_ms", put_number, "end to end, milliseconds"),
    Target("latency_s", "latency_ms", put_seconds, "end to end, seconds"),
    Target("ttft_ms", "ttft_ms", put_number, "time to first token, milliseconds"),
    Target("ttft_s", "ttft_ms", put_seconds, "time to first token, seconds"),
    Target("queue_ms", "queue_ms", put_number, "wait in the queue, milliseconds"),
    Target("queue_s", "queue_ms", put_seconds, "wait in the queue, seconds"),
    Target("tokens_in", "tokens_in", put_count, "tokens of the prompt"),
    Target("tokens_out", "tokens_out", put_count, "tokens of the answer"),
    Target("input_text", "input_text", put_text, "prompt, or chat messages"),
    Target("output_text", "output_text", put_text, "answer"),
    Target("media", "media", put_json, "list of {sha256, mime, bytes, width, height}"),
    Target("confidence", "confidence", put_number, "0 to 1"),
    Target("features", "features", put_json, "object of named numbers or texts; features.NAME for one"),
    Target("label", "label", put_text, "ground truth or class"),
    Target("feedback", "feedback", put_feedback, "-1, 0, 1 or good, bad, like, dislike"),
    Target("feedback_text", "feedback_text", put_text, "comment of the user"),
    Target("cost_usd", "cost_usd", put_number, "price in US dollars"),
    Target("session_id", "session_id", put_name, "conversation"),
    Target("trace_id", "trace_id", put_name, "trace"),
    Target("user", "user", put_name, "user; hashed at the door"),
    Target("user_hash", "user_hash", put_name, "user, already hashed"),
    Target("attrs", "attrs", put_json, "object of free values; attrs.NAME for one"),
)

SYNONYMS = {
    "ts": "ts timestamp starttime requesttime datetime time createdat created arrivaltime startedat receivedat "
    "eventtime date",
    "event_id": "eventid requestid predictionid uuid",
    "deployment": "deployment deploymentid deploymentname endpoint service servicename",
    "model": "model modelname modelid",
    "checkpoint": "checkpoint checkpointid modelversion modelrevision revision",
    "environment": "environment env",
    "source": "source",
    "status": "status statuscode httpstatus success",
    "error_type": "errortype errorclass exceptiontype exception errorcode",
    "error_message": "errormessage errorstr exceptionmessage",
    "error": "error err",
    "finish_reason": "finishreason stopreason finishedreason",
    "latency_ms": "latencyms durationms elapsedms responsetimems latencymillis e2elatencyms totaltimems "
    "executiondurationms",
    "latency_s": "latency_s latencysec latencyseconds duration_s durationsec durationseconds elapsed_s elapsedseconds "
    "responsetimeseconds e2elatency_s e2elatencyseconds",
    "ttft_ms": "ttftms timetofirsttokenms firsttokenms",
    "ttft_s": "ttft_s ttftsec ttftseconds timetofirsttoken_s timetofirsttokenseconds",
    "queue_ms": "queuems queuetimems queuewaitms",
    "queue_s": "queue_s queuetime_s queuetimeseconds",
    "tokens_in": "tokensin inputtokens prompttokens contexttokens requesttokens numinputtokens numprompttokens",
    "tokens_out": "tokensout outputtokens completiontokens generatedtokens responsetokens numoutputtokens "
    "numgeneratedtokens",
    "input_text": "inputtext input prompt question query messages instruction",
    "output_text": "outputtext output response answer completion prediction generatedtext generation",
    "media": "media",
    "confidence": "confidence probability prob",
    "features": "features",
    "label": "label groundtruth truth expected target",
    "feedback": "feedback thumbs",
    "feedback_text": "feedbacktext feedbackcomment comment",
    "cost_usd": "costusd responsecost totalcostusd",
    "session_id": "sessionid conversationid threadid",
    "trace_id": "traceid",
    "user": "user userid enduser username",
    "user_hash": "userhash",
    "attrs": "attrs attributes",
}
"""Column names that are mapped by themselves, best first; compared by `plain`."""

UNIT_UNKNOWN = {
    "latency": "latency_ms latency_s",
    "duration": "latency_ms latency_s",
    "elapsed": "latency_ms latency_s",
    "responsetime": "latency_ms latency_s",
    "totaltime": "latency_ms latency_s",
    "e2elatency": "latency_ms latency_s",
    "ttft": "ttft_ms ttft_s",
    "timetofirsttoken": "ttft_ms ttft_s",
    "queuetime": "queue_ms queue_s",
    "cost": "cost_usd",
    "price": "cost_usd",
}
"""Columns that are never mapped by guessing: their unit is not in their name."""

BY_NAME = {target.name: target for target in TARGETS}
EVENT_FIELDS = frozenset(target.field for target in TARGETS)


def target_named(name: str) -> Target | None:
    """The target of that name; `features.NAME` and `attrs.NAME` are made on the way."""
    if name in BY_NAME:
        return BY_NAME[name]
    kind, _, key = name.partition(".")
    put = {"features": put_feature, "attrs": put_attribute}.get(kind)
    return Target(name, key, put, "") if put and key else None


def plain(name: str) -> str:
    """`ContextTokens` and `context-tokens` as `contexttokens`; the unit of `Duration (s)` stays apart: `duration_s`."""
    parts = re.findall(r"[a-z0-9]+", re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", name).lower())
    return "".join(parts[:-1]) + "_s" if len(parts) > 1 and parts[-1] == "s" else "".join(parts)
