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


OVERLAPS = ("skip", "wait")
"""What a job does when its last run still goes on."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """When a job is due: by cron (UTC), or every so many seconds since 1970."""

    cron: str | None = None
    every_s: int | None = None
    jitter_s: int = 0  # begun up to so much later, at random
    grace_s: int = 3600  # a start that was missed by more is left out
    overlap: str = "skip"


@dataclass(frozen=True, slots=True)
class Budget:
    """What one replay of a suite on one deployment may take; None: no bound."""

    requests: int | None = None
    tokens: int | None = None
    usd: float | None = None
    usd_per_mtok_in: float = 0.0
    usd_per_mtok_out: float = 0.0


@dataclass(frozen=True, slots=True)
class Canary:
    """A suite of prompts that is replayed on deployments, by schedule."""

    id: str
    suite: str  # a suite that ships, or a file or folder relative to the fleet file
    deployments: tuple[str, ...] = ()  # none: all that can be called
    schedule: Schedule = field(default_factory=Schedule)
    in_flight: int = 8  # questions that one deployment is asked at once
    retries: int = 3  # of a question whose connection breaks, or that finds the server busy
    learn_in_flight: tuple[int, ...] = (1, 8, 32)
    learn_repeats: int = 4
    budget: Budget = field(default_factory=Budget)


@dataclass(frozen=True, slots=True)
class Benchmark:
    """What counts in a benchmark; with a suite, a job evaluates the checkpoints that have no result of it yet."""

    id: str
    suite: str | None = None  # a suite that ships, or a file or folder relative to the fleet file
    checkpoints: tuple[str, ...] = ()  # none: all that can be asked, of `model` where that is given
    model: str | None = None
    schedule: Schedule = field(default_factory=lambda: Schedule(every_s=3600))
    in_flight: int = 16  # questions that one checkpoint is asked at once
    retries: int = 3
    weight: float = 1.0  # in the overall ranking
    margin: float = 0.02  # a share: a checkpoint that loses less counts as no worse


@dataclass(frozen=True, slots=True)
class Drift:
    """What calls a drift: the methods for numbers and categories, from which effect on, and how many false calls."""

    numbers: str = "ks"
    categories: str = "tv"
    threshold: float | None = None  # none: that of the method
    fdr: float = 0.01  # expected share of false calls among all calls


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An OpenAI-compatible server that helps to check answers: a judge, or embeddings."""

    url: str
    model: str
    key_env: str | None = None
    version: str | None = None  # what it has to call itself


@dataclass(frozen=True, slots=True)
class Fleet:
    """The fleet file: what is deployed, and what it promises."""

    models: dict[str, Model] = field(default_factory=dict)
    checkpoints: dict[str, Checkpoint] = field(default_factory=dict)
    deployments: dict[str, Deployment] = field(default_factory=dict)
    redaction: Redaction = field(default_factory=Redaction)
    canaries: dict[str, Canary] = field(default_factory=dict)
    benchmarks: dict[str, Benchmark] = field(default_factory=dict)
    jobs: dict[str, Schedule | None] = field(default_factory=dict)  # None: switched off
    judge: Endpoint | None = None
    embedding: Endpoint | None = None
    drift: Drift = field(default_factory=Drift)
    path: str | None = None
