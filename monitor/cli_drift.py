"""Verbs of the command line about drift: what a deployment is compared with, and two files compared at once.

`monitor/cli.py` registers them.
"""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from monitor.config import load_settings
from monitor.errors import BadInput
from monitor.logs import progress_bar, set_up_logs

console = Console(soft_wrap=True)
MOVED = 1


def drift_reference(
    deployment: Annotated[str, typer.Argument(help="a deployment that has predictions")],
    start: Annotated[str, typer.Option(help="pin a window: RFC 3339, or relative such as -14d")] = "",
    end: Annotated[str, typer.Option(help="end of the pinned window; default: now")] = "now",
    days: Annotated[int, typer.Option(min=0, help="rolling: so many days before each day that is judged")] = 0,
    of: Annotated[str, typer.Option(help="another deployment, of the window or of so many days")] = "",
    file: Annotated[Path | None, typer.Option(help="a data set: Parquet or CSV, a row for each prediction")] = None,
    name: Annotated[str, typer.Option(help="what to call it; default: what it is")] = "",
    reason: Annotated[str, typer.Option(help="why, for those who ask later")] = "",
    source: Annotated[str, typer.Option(help="production or demo")] = "production",
) -> None:
    """Compare a deployment with something else from now on; what was judged before stays as it was."""
    from jobs.references import Meaning, make, make_of_file
    from monitor.doors import open_door
    from monitor.queries.registry import parse_moment

    settings = load_settings()
    set_up_logs("warning", "drift")
    if sum(map(bool, (start, days, file))) != 1:
        raise BadInput("say what to compare with in one way: --start and --end, --days, or --file")
    if of == deployment or (of and file):
        raise BadInput("--of names another deployment, and goes with --start or --days")
    now = datetime.now(UTC)
    starts = parse_moment("start", start, now) if start else None
    ends = parse_moment("end", end, now) if start else None
    kind = "deployment" if of else "pinned" if start else "rolling"
    told = name or (file.name if file else f"{of} {start or f'{days} days'}".strip())
    meaning = Meaning(
        source, deployment, kind, told, of or None, starts, ends, days or None, by="command", reason=reason
    )
    with open_door(settings) as door:
        if file is None:
            made = make(door, meaning)
        else:
            with progress_bar() as bar:
                task = bar.add_task(f"reading {file.name}", total=None)
                made = make_of_file(door, meaning, file, lambda done, of: bar.update(task, completed=done, total=of))
    state = "is in force now" if made["made"] else "was in force already"
    print(f"{deployment}: reference {told!r}, version {made['version']}, {state}; python -m jobs.drift judges by it")


def drift_files(
    reference: Annotated[Path, typer.Argument(help="Parquet or CSV")],
    window: Annotated[Path, typer.Argument(help="the file that is held against it")],
    column: Annotated[list[str], typer.Option(help="only this one; may be repeated")] = [],  # noqa: B006
    threshold: Annotated[
        float, typer.Option(min=0, help="from which effect on it counts; 0: that of the method")
    ] = 0.0,
    fdr: Annotated[float, typer.Option(help="expected share of false calls")] = 0.01,
    every: Annotated[bool, typer.Option("--all", help="also show columns that did not move")] = False,
) -> None:
    """Compare two files column by column; the exit code is 1 if one has moved."""
    from monitor.datasets.comparing import compare
    from monitor.drift.judging import Rule

    set_up_logs("warning", "drift")
    with progress_bar() as bar:
        task = bar.add_task("comparing columns", total=None)
        judged = compare(
            reference,
            window,
            Rule(threshold=threshold or None, fdr=fdr),
            lambda done, of: bar.update(task, completed=done, total=of),
            only=column or None,
        )
    table = Table("column", "state", "effect", "95 % interval", "q", "n", "n of the reference", "moved at")
    order = {"moved": 0, "too_few": 1, "no_data": 2, "steady": 3}
    shown = sorted(
        (one for one in judged if every or one.state != "steady"), key=lambda one: (order[one.state], -one.effect)
    )
    for one in shown:
        table.add_row(
            one.feature,
            one.state.replace("_", " "),
            f"{one.method} {one.effect:.3f}",
            f"{one.low:.3f} to {one.high:.3f}",
            f"{one.q:.2g}",
            f"{one.n_window:,}",
            f"{one.n_reference:,}",
            f"{one.moved_at}: {one.moved_reference:.1%} to {one.moved_window:.1%}" if one.state == "moved" else "",
        )
    if shown:
        console.print(table)
    moved = sum(one.state == "moved" for one in judged)
    print(f"{moved} of {len(judged)} columns moved")
    if moved:
        raise typer.Exit(MOVED)
