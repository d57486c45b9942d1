"""The fleet file: what it becomes, and that each mistake is named with its line, key, value and what is allowed."""

from pathlib import Path

import pytest

from monitor.errors import ConfigError
from monitor.fleet import REDACTIONS, describe_fleet, load_fleet
from monitor.ingest.redact import BUILTIN
from monitor.records import (
    Budget,
    Checkpoint,
    Deployment,
    Endpoint,
    Fleet,
    Model,
    Redaction,
    RedactionPattern,
    Schedule,
    Slo,
)
from monitor.toml_tables import line_numbers

ROOT = Path(__file__).parent.parent

GOOD = """\
[models.vision]
description = "small VLM"
[checkpoints.step-600]
model = "vision"
[checkpoints.step-900]
model = "vision"
step = 900
parent = "step-600"
weights = "weights/step-900"
weights_hash = "sha256:9f86d081"
dtype = "float16"
engine = "transformers"
[deployments.prod]
checkpoint = "step-900"
environment = "production"
runtime = "openai"
url = "http://127.0.0.1:8000/v1"
key_env = "VISION_KEY"
[deployments.prod.slo]
availability = 0.999
latency_ms = 2000
latency_target = 0.9
min_bad_events = 7
no_data_after_s = 60
[redaction]
email = false
[[redaction.patterns]]
name = "ticket"
pattern = "TICKET-[0-9]+"
"""


def write(folder: Path, text: str) -> Path:
    path = folder / "watchpoint.toml"
    path.write_text(text, "utf-8")
    return path


def problems(folder: Path, text: str) -> list[str]:
    """The lines of the error that `text` raises, each without the name of the file."""
    path = write(folder, text)
    with pytest.raises(ConfigError) as caught:
        load_fleet(path)
    lines = str(caught.value).split("\n")
    assert all(line.startswith(f"{path}:") for line in lines)
    return [line.removeprefix(f"{path}:") for line in lines]


def test_a_complete_file_becomes_records(tmp_path: Path) -> None:
    path = write(tmp_path, GOOD)
    assert load_fleet(path) == Fleet(
        models={"vision": Model("vision", "small VLM")},
        checkpoints={
            "step-600": Checkpoint("step-600", "vision"),
            "step-900": Checkpoint(
                "step-900", "vision", 900, "step-600", "weights/step-900", "sha256:9f86d081", "float16", "transformers"
            ),
        },
        deployments={
            "prod": Deployment(
                "prod",
                "step-900",
                "vision",
                "production",
                "openai",
                "http://127.0.0.1:8000/v1",
                "VISION_KEY",
                Slo(0.999, 2000.0, 0.9, 7, 60),
            )
        },
        redaction=Redaction({"email": False}, (RedactionPattern("ticket", "TICKET-[0-9]+"),)),
        path=str(path),
    )


def test_a_missing_file_is_an_empty_fleet(tmp_path: Path) -> None:
    assert load_fleet(tmp_path / "none.toml") == Fleet()


@pytest.mark.parametrize("text", ["", "# only a comment\n", "[models]\n", "[redaction]\n"])
def test_an_empty_file_is_a_fleet_without_deployments(tmp_path: Path, text: str) -> None:
    assert load_fleet(write(tmp_path, text)).deployments == {}


def test_what_is_left_out_has_the_default_of_its_record(tmp_path: Path) -> None:
    text = '[models.m]\n[checkpoints.c]\nmodel = "m"\n[deployments.d]\ncheckpoint = "c"\n'
    assert load_fleet(write(tmp_path, text)).deployments["d"] == Deployment("d", "c", "m")


def test_a_file_from_a_windows_editor_is_read(tmp_path: Path) -> None:
    path = tmp_path / "watchpoint.toml"
    path.write_bytes(b"\xef\xbb\xbf" + GOOD.replace("\n", "\r\n").encode())
    assert load_fleet(path).deployments.keys() == {"prod"}


def test_ids_may_be_hub_ids_in_quotes(tmp_path: Path) -> None:
    text = '[models."org/name:7b-v1.5"]\n[checkpoints."org/name@x"]\nmodel = "org/name:7b-v1.5"\n'
    assert problems(tmp_path, text) == ['2: checkpoints."org/name@x": an id is 1 to 128 letters, digits and . _ - / :']


def test_the_example_file_is_valid_and_described() -> None:
    described = describe_fleet(load_fleet(ROOT / "watchpoint.example.toml"))
    assert "2 models, 3 checkpoints, 4 deployments" in described
    assert "chat-prod (production): support-chat-step-900" in described
    assert "99.5 % without error, 95 % within 2000 ms" in described
    assert "key from CHAT_PROD_KEY" in described
    assert "no url, read from its log only" in described
    assert "gradio http://127.0.0.1:7860" in described
    assert "answered by the worker" in described
    assert "not deployed: support-chat-step-600" in described


def test_a_fleet_without_a_file_is_described_too() -> None:
    assert describe_fleet(Fleet()) == "no fleet file: every deployment in the log appears as unregistered"


def test_the_builtin_patterns_are_those_that_the_door_knows() -> None:
    assert set(REDACTIONS) == set(BUILTIN)


# (the line of GOOD to replace, its replacement, the one problem that is reported)
MISTAKES = [
    ("[models.vision]", "[modles.vision]", "1: modles: unknown key (did you mean models?); allowed are models, checkp"),
    ('description = "small VLM"', "describe = 1", "2: models.vision.describe: unknown key (did you mean description?)"),
    ('description = "small VLM"', "description = 1", "2: models.vision.description = 1: must be text in quotes"),
    ("step = 900", "step = -1", "7: checkpoints.step-900.step = -1: must be 0 or more"),
    ("step = 900", "step = 9.5", "7: checkpoints.step-900.step = 9.5: must be a whole number, 0 or more"),
    ("step = 900", "step = true", "7: checkpoints.step-900.step = true: must be a whole number, 0 or more"),
    ("step = 900", f"step = {2**63}", "7: checkpoints.step-900.step = 9223372036854775808: must be 0 or more"),
    ("step = 900", "step = 2026-11-21", "7: checkpoints.step-900.step = 2026-11-21: must be a whole number"),
    (
        'parent = "step-600"',
        'parent = "step-60"',
        '8: checkpoints.step-900.parent = "step-60": must be the id of another checkpoint in this file (did you mean',
    ),
    ('weights = "weights/step-900"', 'weights = ""', '9: checkpoints.step-900.weights = "": must be a local folder'),
    (
        'weights_hash = "sha256:9f86d081"',
        'weights_hash = "9f"',
        '10: checkpoints.step-900.weights_hash = "9f": must be',
    ),
    ('dtype = "float16"', 'dtype = "fp16"', '11: checkpoints.step-900.dtype = "fp16": must be one of float32, float16'),
    ('engine = "transformers"', 'engine = "x"', '12: checkpoints.step-900.engine = "x": must be one of transformers'),
    ('checkpoint = "step-900"', "", "13: deployments.prod: checkpoint is missing; it must be the id of a checkpoint"),
    (
        'checkpoint = "step-900"',
        'checkpoint = "no"',
        '14: deployments.prod.checkpoint = "no": must be the id of a checkp',
    ),
    (
        'environment = "production"',
        'environment = " "',
        '15: deployments.prod.environment = " ": must be 1 to 256 char',
    ),
    (
        'runtime = "openai"',
        'runtime = "openia"',
        '16: deployments.prod.runtime = "openia": must be one of openai, gradi',
    ),
    ('url = "http://127.0.0.1:8000/v1"', 'url = "ftp://h"', '17: deployments.prod.url = "ftp://h": must be an address'),
    ('url = "http://127.0.0.1:8000/v1"', 'url = "http://"', '17: deployments.prod.url = "http://": must be an address'),
    ('url = "http://127.0.0.1:8000/v1"', 'url = "http://h:9x"', '17: deployments.prod.url = "http://h:9x": must be an'),
    ('url = "http://127.0.0.1:8000/v1"', 'url = "http://[::1"', '17: deployments.prod.url = "http://[::1": must be an'),
    (
        "availability = 0.999",
        "availability = 1",
        "20: deployments.prod.slo.availability = 1: must be a share between 0",
    ),
    ("availability = 0.999", "availability = 0.0", "20: deployments.prod.slo.availability = 0.0: must be a share betw"),
    ("availability = 0.999", "availability = nan", "20: deployments.prod.slo.availability = nan: must be a share betw"),
    (
        "availability = 0.999",
        'availability = "1"',
        '20: deployments.prod.slo.availability = "1": must be a number, a sha',
    ),
    ("latency_ms = 2000", "latency_ms = -5", "21: deployments.prod.slo.latency_ms = -5: must be more than 0 millisec"),
    ("latency_ms = 2000", "latency_ms = inf", "21: deployments.prod.slo.latency_ms = inf: must be more than 0 millise"),
    ("latency_ms = 2000", "", "22: deployments.prod.slo.latency_target = 0.9: needs latency_ms beside it"),
    ("min_bad_events = 7", "min_bad_events = -1", "23: deployments.prod.slo.min_bad_events = -1: must be 1 or more"),
    ("no_data_after_s = 60", "no_data_after_s = 0", "24: deployments.prod.slo.no_data_after_s = 0: must be 1 or more"),
    ("email = false", 'email = "off"', '26: redaction.email = "off": must be true or false'),
    ("email = false", "emial = false", "26: redaction.emial: unknown key (did you mean email?); allowed are api_key"),
    (
        'name = "ticket"',
        'name = "tick et"',
        '28: redaction.patterns[0].name = "tick et": must be letters, digits and _',
    ),
    ('name = "ticket"', 'name = "phone"', '28: redaction.patterns[0].name = "phone": must be a name of its own; in fo'),
    ('pattern = "TICKET-[0-9]+"', 'pattern = ""', '29: redaction.patterns[0].pattern = "": must be a regular expres'),
    ('pattern = "TICKET-[0-9]+"', "", "27: redaction.patterns[0]: pattern is missing; it must be a regular expression"),
]


@pytest.mark.parametrize(("line", "mistake", "said"), MISTAKES)
def test_one_mistake_is_one_line_that_says_where_and_what_is_allowed(
    tmp_path: Path, line: str, mistake: str, said: str
) -> None:
    assert line in GOOD
    found = [problem for problem in problems(tmp_path, GOOD.replace(line, mistake, 1)) if said in problem]
    assert len(found) == 1
    assert found[0].startswith(said)


DEPLOYED = """\
[models.m]
[checkpoints.bare]
model = "m"
[checkpoints."with.weights"]
model = "m"
weights = "weights/c"
trust_remote_code = true
[deployments.d]
"""

LOCAL = 'checkpoint = "with.weights"\nruntime = "local"\n'
GRADIO = 'checkpoint = "bare"\nruntime = "gradio"\n'
ADDRESS = 'url = "http://127.0.0.1:7860"\n'


@pytest.mark.parametrize(
    ("keys", "deployment"),
    [
        (LOCAL, Deployment("d", "with.weights", "m", runtime="local")),
        (
            GRADIO + ADDRESS + 'api_name = "/ask"\nkey_env = "K"\n',
            Deployment("d", "bare", "m", runtime="gradio", url="http://127.0.0.1:7860", key_env="K", api_name="/ask"),
        ),
        (
            'checkpoint = "bare"\nserved_model = "org/m"\n' + ADDRESS,
            Deployment("d", "bare", "m", url="http://127.0.0.1:7860", served_model="org/m"),
        ),
    ],
)
def test_each_runtime_has_its_keys(tmp_path: Path, keys: str, deployment: Deployment) -> None:
    fleet = load_fleet(write(tmp_path, DEPLOYED + keys))
    assert fleet.deployments == {"d": deployment}
    assert fleet.checkpoints["with.weights"].trust_remote_code


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        (
            LOCAL + ADDRESS,
            '11: deployments.d.url: is read for runtime openai and gradio only, not for "local"; leave it o',
        ),
        (LOCAL + 'key_env = "K"\n', "11: deployments.d.key_env: is read for runtime openai and gradio only"),
        (
            LOCAL + 'served_model = "m"\n',
            '11: deployments.d.served_model: is read for runtime openai only, not for "local"',
        ),
        (
            LOCAL.replace("with.weights", "bare"),
            '8: deployments.d: runtime "local" needs weights in checkpoints.bare, a local folder',
        ),
        (GRADIO, '8: deployments.d: url is missing; runtime "gradio" needs the address of the app'),
        (GRADIO + ADDRESS + 'served_model = "m"\n', "12: deployments.d.served_model: is read for runtime openai only"),
        (
            'checkpoint = "bare"\napi_name = "/ask"\n' + ADDRESS,
            '10: deployments.d.api_name: is read for runtime gradio only, not for "openai"',
        ),
        (
            'checkpoint = "bare"\nserved_model = "m"\n',
            "8: deployments.d: url is missing; served_model is a name that the server at url knows",
        ),
        (
            'checkpoint = "bare"\nruntime = "gardio"\napi_name = "/ask"\n',
            '10: deployments.d.runtime = "gardio": must be',
        ),
        (
            GRADIO + ADDRESS + 'api_name = "ask"\n',
            '12: deployments.d.api_name = "ask": must be an endpoint of a Gradio',
        ),
        (
            'checkpoint = "bare"\n[deployments."worker/x"]\ncheckpoint = "bare"\n',
            '10: deployments."worker/x": ids from worker on are of checkpoints in the worker; choose another one',
        ),
    ],
)
def test_what_a_runtime_lacks_or_does_not_read_is_one_line(tmp_path: Path, keys: str, said: str) -> None:
    (found,) = problems(tmp_path, DEPLOYED + keys)
    assert found.startswith(said)


def test_an_unknown_id_is_answered_with_the_known_ones(tmp_path: Path) -> None:
    (said,) = problems(tmp_path, GOOD.replace('"step-900"\nenv', '"step-90"\nenv'))
    assert said.endswith("(did you mean step-900?); known are step-600, step-900")


def test_all_mistakes_are_reported_together_in_the_order_of_the_file(tmp_path: Path) -> None:
    text = GOOD.replace("step = 900", "step = -1").replace('dtype = "float16"', "dtpye = 1").replace("= 0.9\n", "= 9\n")
    assert [line.split(":")[0] for line in problems(tmp_path, text)] == ["7", "11", "22"]


@pytest.mark.parametrize(
    "secret", ["sk-proj-4f9aK2", "hf_abcdefABCDEF", "AKIAIOSFODNN7EXAMPLE", "d41d8cd98f00b204e9800998ecf8427e"]
)
def test_a_key_in_place_of_its_variable_is_refused_and_never_repeated(tmp_path: Path, secret: str) -> None:
    (said,) = problems(tmp_path, GOOD.replace("VISION_KEY", secret))
    assert said.startswith("18: deployments.prod.key_env = (not shown): must be the NAME of an environment variable")
    assert secret not in said


def test_a_key_under_an_unknown_name_is_not_repeated_either(tmp_path: Path) -> None:
    (said,) = problems(tmp_path, GOOD.replace('key_env = "VISION_KEY"', 'key = "sk-proj-4f9aK2"'))
    assert "unknown key (did you mean key_env?)" in said
    assert "4f9aK2" not in said


def test_the_password_of_an_address_is_refused_and_never_repeated(tmp_path: Path) -> None:
    (said,) = problems(tmp_path, GOOD.replace("http://127", "http://ann:hunter2@127"))
    assert said.startswith('17: deployments.prod.url = "http://(not shown)@127.0.0.1:8000/v1": must be an address')


def test_parents_in_a_circle_are_reported_once(tmp_path: Path) -> None:
    text = "[models.m]\n" + "".join(
        f'[checkpoints.{a}]\nmodel = "m"\nparent = "{b}"\n' for a, b in (("x", "a"), ("a", "b"), ("b", "a"), ("s", "s"))
    )
    assert [line.split(" goes")[0] for line in problems(tmp_path, text)] == [
        "7: checkpoints.a.parent: a -> b -> a",
        "13: checkpoints.s.parent: s -> s",
    ]


def test_an_id_with_a_dot_and_no_quotes_is_explained(tmp_path: Path) -> None:
    found = problems(tmp_path, '[models.m]\n[checkpoints.step-1.5]\nmodel = "m"\n')
    assert found[0].endswith("an id with a dot stands in quotes")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("models = 1\n", "1: models = 1: must be a table, [models.ID]"),
        ("[models]\nvision = 1\n", "2: models.vision: must be a table [models.ID]; allowed in it are description"),
        (
            "[redaction]\npatterns = [1]\n",
            "2: redaction.patterns = [1]: must be a list of tables, [[redaction.patterns]]",
        ),
        ('[models.""]\n', '1: models."": an id is 1 to 128 letters'),
    ],
)
def test_a_value_where_a_table_belongs_is_refused(tmp_path: Path, text: str, said: str) -> None:
    assert problems(tmp_path, text)[0].startswith(said)


def test_text_that_is_not_toml_is_refused_with_its_line(tmp_path: Path) -> None:
    (said,) = problems(tmp_path, GOOD.replace('"float16"', "float16"))
    assert said.startswith("11: not TOML: Invalid value")


def test_a_file_that_ends_too_early_is_refused_at_its_end(tmp_path: Path) -> None:
    (said,) = problems(tmp_path, '[models.m]\ndescription = "')
    assert said.startswith("2: not TOML")


def test_bytes_that_are_not_utf8_and_folders_are_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "latin.toml"
    path.write_bytes(b'[models.m]\ndescription = "caf\xe9"\n')
    for bad in (path, tmp_path):
        with pytest.raises(ConfigError, match="cannot be read as a file of UTF-8 text"):
            load_fleet(bad)


def test_lines_are_found_through_long_texts_inline_tables_and_lists() -> None:
    text = '''\
# a comment with [brackets]
top = """
[not.a.table]
"""
[a."b.c"]
x = {y = 1, z = 2} # inline
[[a.list]]
k = 1
[[a.list]]
k = [
  1,
]
d.e = 3
'''
    assert line_numbers(text) == {
        ("top",): 2,
        ("a",): 5,
        ("a", "b.c"): 5,
        ("a", "b.c", "x"): 6,
        ("a", "b.c", "x", "y"): 6,
        ("a", "b.c", "x", "z"): 6,
        ("a", "list"): 7,
        ("a", "list", 0): 7,
        ("a", "list", 0, "k"): 8,
        ("a", "list", 1): 9,
        ("a", "list", 1, "k"): 10,
        ("a", "list", 1, "k", 0): 10,
        ("a", "list", 1, "d"): 13,
        ("a", "list", 1, "d", "e"): 13,
    }


CANARIES = GOOD + (
    '[canaries.hourly]\nsuite = "general"\ncron = "7 * * * *"\njitter_s = 60\noverlap = "wait"\nin_flight = 2\n'
    "learn_in_flight = [1, 16]\nlearn_repeats = 3\nmax_requests = 500\nmax_usd = 0.5\nusd_per_mtok_out = 2\n"
    '[canaries.often]\nsuite = "suites/own"\nevery = "15m"\n'
    '[jobs.retention]\nenabled = false\n[jobs.demo]\nevery = "2m"\n'
    '[judge]\nurl = "https://judge.example/v1"\nmodel = "judge-1"\nkey_env = "JUDGE_KEY"\nversion = "judge-1-2026"\n'
)


def test_canaries_jobs_and_a_judge_are_read(tmp_path: Path) -> None:
    path = tmp_path / "watchpoint.toml"
    path.write_text(CANARIES)
    fleet = load_fleet(path)
    hourly, often = fleet.canaries["hourly"], fleet.canaries["often"]
    assert hourly.schedule == Schedule(cron="7 * * * *", jitter_s=60, overlap="wait")
    assert (hourly.in_flight, hourly.learn_in_flight, hourly.learn_repeats) == (2, (1, 16), 3)
    assert hourly.budget == Budget(requests=500, usd=0.5, usd_per_mtok_out=2)
    assert (often.schedule, often.suite, often.deployments) == (Schedule(every_s=900), "suites/own", ())
    assert fleet.jobs == {"retention": None, "demo": Schedule(every_s=120)}
    assert fleet.judge == Endpoint("https://judge.example/v1", "judge-1", "JUDGE_KEY", "judge-1-2026")
    assert fleet.embedding is None


@pytest.mark.parametrize(
    "text, said",
    [
        ('[canaries.a]\nsuite = "general"\n', 'canaries.a: needs a schedule: every = "15m", or cron = "7 * * * *"'),
        ('[canaries.a]\nsuite = "g"\nevery = "1h"\ncron = "* * * * *"\n', "canaries.a.every: stands beside cron"),
        ('[canaries.a]\nsuite = "g"\ncron = "61 * * * *"\n', "minute is '61'; allowed are 0 to 59"),
        (
            '[canaries.a]\nsuite = "g"\nevery = "soon"\n',
            'canaries.a.every = "soon": must be a number with s, m, h or d',
        ),
        ('[canaries.a]\nevery = "1h"\n', "canaries.a: suite is missing"),
        (
            '[canaries.a]\nsuite = "g"\nevery = "1h"\ndeployments = ["nobody"]\n',
            "must be the ids of deployments in this file; known are",
        ),
        (
            '[canaries.a]\nsuite = "g"\nevery = "1h"\ndeployments = "all"\n',
            'canaries.a.deployments = "all": must be a list of texts',
        ),
        (
            '[canaries.a]\nsuite = "g"\nevery = "1h"\nlearn_in_flight = [1, 0]\n',
            "canaries.a.learn_in_flight = [1, 0]: must be each 1 to 256",
        ),
        (
            '[canaries.a]\nsuite = "g"\nevery = "1h"\nlearn_in_flight = ["1"]\n',
            "must be a list of whole numbers",
        ),
        ('[jobs.x]\nevery = "1h"\ncron = "* * * * *"\n', "jobs.x.every: stands beside cron"),
        ('[judge]\nmodel = "m"\n', "judge: url is missing"),
    ],
)
def test_mistakes_in_canaries_and_jobs_are_told_at_their_line(tmp_path: Path, text: str, said: str) -> None:
    (problem,) = problems(tmp_path, text)
    assert said in problem
