from pathlib import Path

from monitor.features import answering, asking, frequent, languages, letters
from monitor.features.table import FEATURES, features_table

PAGE = (Path(__file__).parent.parent / "docs" / "drift-features.md").read_text("utf-8")


def named(start: str) -> set[str]:
    """The names in backticks in the first cells of the table behind a heading."""
    rows = PAGE.split(f"\n## {start}\n")[1].split("\n## ")[0].splitlines()
    cells = [row.split("|")[1] for row in rows if row.startswith("| `")]
    return {name for cell in cells for name in cell.split("`")[1::2]}


def test_the_table_of_the_page_is_that_of_the_code() -> None:
    shown = PAGE.split("<!-- features -->\n")[1].split("\n<!-- /features -->")[0]
    assert shown == features_table(), "put what features_table() returns between the marks"


def test_the_page_names_every_type_of_a_prompt() -> None:
    assert named("Types of prompts") == {*asking.TYPES}


def test_the_page_names_every_format_of_an_answer() -> None:
    assert named("Formats of answers") == {*answering.FORMATS}


def test_the_page_names_every_language_and_script() -> None:
    told = {*frequent.WORDS, *languages.BY_SCRIPT.values(), "persian", languages.UNKNOWN}
    missing = [name for name in sorted(told) if name not in PAGE.split("\n## Languages\n")[1].lower()]
    assert missing == []
    scripts = PAGE.split("\n## Languages\n")[1].split("\n## ")[0]
    assert [
        name for name in (*letters.SCRIPTS, letters.JAPANESE, letters.NO_LETTERS) if f"`{name}`" not in scripts
    ] == []


def test_names_of_features_say_what_they_are_of() -> None:
    """Pages group them by these beginnings."""
    for name, feature in FEATURES.items():
        start = {"prompt": "input", "answer": "output", "image": "image"}.get(name.split("_")[0])
        assert start in (None, feature.side), name
