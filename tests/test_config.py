"""Settings: the table, the environment and the record agree, and a bad value is refused by name."""

import dataclasses
from pathlib import Path

import pytest

from monitor.config import CHOICES, SETTINGS, Settings, load_settings, secret, settings_table
from monitor.errors import ConfigError


def test_without_an_environment_every_setting_has_the_default_of_the_table() -> None:
    settings = load_settings({})
    assert dataclasses.asdict(settings) == {s.name: s.default for s in SETTINGS}


def test_the_record_has_the_settings_of_the_table_with_their_types() -> None:
    fields = {field.name: field.type for field in dataclasses.fields(Settings)}
    assert fields == {s.name: type(s.default) for s in SETTINGS}


def test_each_choice_belongs_to_a_setting_and_allows_its_default() -> None:
    defaults = {s.name: s.default for s in SETTINGS}
    assert all(defaults[name] in allowed for name, allowed in CHOICES.items())


def test_each_default_is_at_least_the_least() -> None:
    assert [s.name for s in SETTINGS if s.least is not None and float(s.default) < s.least] == []


def test_the_environment_overrides_a_default_and_a_keyword_overrides_both() -> None:
    environ = {"WATCHPOINT_API_PORT": " 9000 ", "WATCHPOINT_DATA_DIR": "/srv/watchpoint", "PATH": "/bin"}
    settings = load_settings(environ, api_port=9001)
    assert (settings.api_port, settings.data) == (9001, Path("/srv/watchpoint"))


def test_the_environment_of_the_process_is_read_when_none_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WATCHPOINT_RAW_DAYS", "7")
    assert load_settings().raw_days == 7


def test_the_address_of_api_follows_its_host_and_port_unless_it_is_given() -> None:
    assert load_settings({"WATCHPOINT_API_PORT": "9000"}).api == "http://127.0.0.1:9000"
    assert load_settings({"WATCHPOINT_API_URL": "https://watch.example/"}).api == "https://watch.example"


@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [
        ("WATCHPOINT_API_PORT", "http", "WATCHPOINT_API_PORT='http': expected a whole number (port of `api`)"),
        ("WATCHPOINT_API_PORT", "0", "WATCHPOINT_API_PORT='0': the smallest allowed value is 1 (port of `api`)"),
        ("WATCHPOINT_MAX_BODY_BYTES", "1.5", "WATCHPOINT_MAX_BODY_BYTES='1.5': expected a whole number"),
        ("WATCHPOINT_MAX_ROWS", "-1", "WATCHPOINT_MAX_ROWS='-1': the smallest allowed value is 1"),
        ("WATCHPOINT_RAW_ACTION", "keep", "WATCHPOINT_RAW_ACTION='keep': allowed are archive, delete"),
        ("WATCHPOINT_LOG_LEVEL", "loud", "WATCHPOINT_LOG_LEVEL='loud': allowed are debug, info, warning, error"),
    ],
)
def test_a_bad_value_is_refused_with_its_name_and_what_is_allowed(variable: str, value: str, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_settings({variable: value})
    assert str(caught.value).startswith(said)


def test_a_variable_that_is_no_setting_is_refused_instead_of_ignored() -> None:
    with pytest.raises(ConfigError, match=r"WATCHPOINT_RAWDAYS is not a setting; .* WATCHPOINT_RAW_DAYS"):
        load_settings({"WATCHPOINT_RAWDAYS": "7"})


def test_the_table_of_the_readme_has_one_line_a_setting() -> None:
    lines = settings_table().splitlines()
    assert len(lines) == 2 + len(SETTINGS)
    assert "| `WATCHPOINT_API_PORT` | `8600` | port of `api` |" in lines


def test_a_secret_is_read_without_the_line_break_behind_it() -> None:
    assert secret("CHAT_KEY", {"CHAT_KEY": " sk-1\n"}) == "sk-1"


@pytest.mark.parametrize(
    "environ", [{}, {"CHAT_KEY": ""}, {"CHAT_KEY": "sk-1 hunter2"}, {"CHAT_KEY": "sk-1\r\nhunter2"}]
)
def test_a_secret_that_is_missing_or_malformed_is_named_and_never_shown(environ: dict[str, str]) -> None:
    with pytest.raises(ConfigError, match=r"^the environment variable CHAT_KEY \(key_env\)") as caught:
        secret("CHAT_KEY", environ)
    assert "hunter2" not in str(caught.value)
