from pathlib import Path

from bench import stats

PAGE = Path(__file__).parent.parent / "docs" / "statistics.md"


def test_the_table_of_the_page_is_the_one_that_the_simulation_prints() -> None:
    text = PAGE.read_text("utf-8")
    shown = text.split("<!-- python -m bench.stats -->\n")[1].split("\n<!-- end -->")[0]
    assert shown == stats.table(stats.figures()), "run `python -m bench.stats` and paste what it prints"
