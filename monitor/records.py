"""The words of Watchpoint as frozen records and closed sets; every other layer imports them from here."""

from dataclasses import dataclass, field

SOURCES = ("production", "canary", "probe", "shadow", "demo")
"""Where a prediction came from. Only production counts in health and drift; demo stands in for it and is labelled."""

STATUSES = ("ok", "error")

STATES = ("ok", "warn", "alert", "no_data")
"""What a check says at a given `now`."""

RUNTIMES = ("openai", "gradio", "local")
"""How a deployment is called."""

ENGINES = ("transformers", "vllm", "sglang", "tgi", "llama.cpp", "other")

DTYPES = ("float32", "float16", "bfloat16", "float8", "int8", "int4")

UNREGISTERED = "unregistered"


@dataclass(frozen=True, slots=True)
class Model:
    """A family of checkpoints."""

    id: str
    description: str = ""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """One immutable revision of weights."""

    id: str
    model: str
    step: int | None = None
    parent: str | None = None
    weights: str | None = None  # local folder or hub id
    weights_hash: str | None = None
    dtype: str | None = None
    engine: str | None = None
    description: str = ""
    trust_remote_code: bool = False  # run Python that comes with the weights


@dataclass(frozen=True, slots=True)
class Slo:
    """What a deployment promises: shares of requests between 0 and 1, latency in milliseconds."""

    availability: float = 0.99
    latency_ms: float | None = None
    latency_target: float = 0.95
    min_bad_events: int = 5
    no_data_after_s: int = 900


@dataclass(frozen=True, slots=True)
class Deployment:
    """A checkpoint served at an endpoint in an environment, through a runtime."""

    id: str
    checkpoint: str
    model: str
    environment: str = "production"
    runtime: str = "openai"
    url: str | None = None
    key_env: str | None = None  # name of the environment variable that holds the key, never the key
    slo: Slo = field(default_factory=Slo)
    served_model: str | None = None  # what an OpenAI-compatible server calls it; the checkpoint's id when missing
    api_name: str | None = None  # endpoint of a Gradio app, such as /predict


@dataclass(frozen=True, slots=True)
class RedactionPattern:
    """An own pattern of the configuration; matches are replaced by `[name]`."""

    name: str
    pattern: str


@dataclass(frozen=True, slots=True)
class Redaction:
    """Which built-in patterns run at the door, and which own ones are added."""

    builtin: dict[str, bool] = field(default_factory=dict)  # only the switched ones
    patterns: tuple[RedactionPattern, ...] = ()


@dataclass(frozen=True, slots=True)
class Fleet:
    """The fleet file: what is deployed, and what it promises."""

    models: dict[str, Model] = field(default_factory=dict)
    checkpoints: dict[str, Checkpoint] = field(default_factory=dict)
    deployments: dict[str, Deployment] = field(default_factory=dict)
    redaction: Redaction = field(default_factory=Redaction)
    path: str | None = None
