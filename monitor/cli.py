"""The command line: `python -m monitor VERB`. Each verb is thin; the work is done where the API does it too."""

import os
import sys
from contextlib import nullcontext
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import orjson
import typer
from rich.console import Console

from monitor.cli_drift import drift_files, drift_reference
from monitor.config import Settings, load_settings, widen_websocket_headers
from monitor.errors import BadInput, WatchpointError
from monitor.evidently.commands import drift_report, drift_test
from monitor.fleet import describe_fleet, load_fleet
from monitor.logs import progress_bar, set_up_logs

cli = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    help="Watchpoint watches deployed model checkpoints.",
    pretty_exceptions_enable=False,
)
console = Console(soft_wrap=True)


def main() -> None:
    """Run a verb; what goes wrong on purpose is one line and exit code 2, never a traceback."""
    try:
        cli()
    except WatchpointError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)


def _start(process: str) -> Settings:
    settings = load_settings()
    set_up_logs(settings.log_level, process)
    return settings


# -- processes


@cli.command()
def up() -> None:
    """Start api, app, scheduler and worker on this machine; restart what dies; stop with Ctrl-C or SIGTERM."""
    from monitor.up import run_all

    settings = _start("up")
    load_fleet(settings.fleet_file)
    sys.exit(run_all(settings))


@cli.command()
def api() -> None:
    """Run the process that owns the store: door, queries, health, metrics."""
    import uvicorn

    from monitor.api.app import create_app
    from monitor.listen import check_listen
    from monitor.store.owner import StoreOwner

    settings = _start("api")
    check_listen(settings.api_host)
    owner = StoreOwner(settings, load_fleet(settings.fleet_file))
    owner.claim()  # what is wrong with the store is one line now, instead of a server that fails to start
    uvicorn.run(
        create_app(settings, owner),
        host=settings.api_host,
        port=settings.api_port,
        access_log=False,
        log_config=None,
        timeout_graceful_shutdown=10,
    )


@cli.command()
def app() -> None:
    """Run the pages."""
    import uvicorn

    from monitor.listen import check_listen

    settings = _start("app")
    check_listen(settings.app_host)
    widen_websocket_headers()
    root = Path(__file__).parent.parent  # Streamlit reads its configuration from the folder that it runs in
    os.chdir(root)
    sys.path.insert(0, str(root))
    uvicorn.run(
        "asgi_app:app",
        host=settings.app_host,
        port=settings.app_port,
        access_log=False,
        log_config=None,
        timeout_graceful_shutdown=3,
    )


@cli.command()
def scheduler() -> None:
    """Run the jobs on their schedule."""
    from monitor.scheduler import run_scheduler

    run_scheduler(_start("scheduler"))


@cli.command()
def worker() -> None:
    """Run the checkpoints of the fleet file that have local weights, each loaded when it is first asked for."""
    from monitor.config import set_up_arithmetic
    from monitor.inference.memory import cores
    from monitor.inference.opening import arithmetic_threads
    from monitor.inference.server import serve
    from monitor.listen import check_listen

    settings = _start("worker")
    check_listen(settings.worker_host)
    set_up_arithmetic(arithmetic_threads(settings.worker_threads, cores()))
    serve(settings, load_fleet(settings.fleet_file))


# -- checks and data


@cli.command()
def check(file: Annotated[str, typer.Argument(help="a fleet file; default: the one of the settings")] = "") -> None:
    """Check settings, fleet file and the suites that it names, and say what is in them."""
    from jobs import benchmark, evaluating
    from jobs.replaying import chosen_targets, suite_path
    from jobs.table import jobs_of
    from monitor.canary.suites import load_suite
    from monitor.ingest.redact import build_redactor
    from monitor.timetable import words_of

    settings = load_settings()
    path = Path(file or settings.fleet_file)
    if file and not path.exists():
        raise BadInput(f"{path} does not exist")
    fleet = load_fleet(path)
    build_redactor(fleet.redaction)
    told = [describe_fleet(fleet)]
    for canary in fleet.canaries.values():
        suite = load_suite(suite_path(canary.suite, fleet))
        where = ", ".join(one.id for one in chosen_targets(canary, fleet))
        told.append(f"canary {canary.id}: {len(suite.items)} questions of {suite.path} on {where}")
    for one in benchmark.evaluated(fleet).values():
        items = evaluating.suite_of(one, fleet).items
        which = ", ".join(target.checkpoint.id for target in evaluating.chosen_targets(one, fleet))
        told.append(f"benchmark {one.id}: {len(items)} questions to {which}")
    told += [f"job {job.name}: {words_of(job.schedule)}" for job in jobs_of(settings, fleet).values()]
    print("\n".join(told))


@cli.command("import")
def import_file(
    file: Annotated[Path, typer.Argument(help="JSON Lines, CSV or Parquet, plain or .gz")],
    importer: Annotated[str, typer.Option(help="which importer; default: told by the content")] = "",
    map: Annotated[list[str], typer.Option("--map", help="field=COLUMN, several with commas or repeated")] = [],  # noqa: A002, B006
    set: Annotated[list[str], typer.Option("--set", help="field=VALUE for every row, such as deployment=NAME")] = [],  # noqa: A002, B006
    timezone: Annotated[str, typer.Option(help="zone of times without an offset")] = "UTC",
    keep_rest: Annotated[bool, typer.Option(help="keep columns without a field under attrs")] = False,
    dry_run: Annotated[bool, typer.Option(help="read and count, send nothing")] = False,
) -> None:
    """Import a log; importing it again, grown or not, adds only what is new."""
    from monitor.importers import format_columns, format_summary, open_import, parse_pairs, preview, run_import

    imported = open_import(
        file,
        importer=importer or None,
        mapping=parse_pairs(map, "--map"),
        constants=parse_pairs(set, "--set"),
        timezone=timezone,
        keep_rest=keep_rest,
    )
    console.print(format_columns(imported), markup=False, highlight=False)
    for row in preview(imported, 3):
        shown = orjson.dumps(row.event, default=str).decode() if row.event else f"line {row.line}: {row.problem}"
        console.print(f"  e.g. {shown[:400]}", markup=False, highlight=False)
    from monitor.doors import open_door

    with progress_bar() as progress:
        task = progress.add_task("importing" if not dry_run else "reading", total=None)

        def show(done: int, total: int) -> None:
            progress.update(task, completed=done, total=total)

        if dry_run:
            summary = run_import(imported, lambda _: {}, dry_run=True, on_progress=show)
        else:
            with open_door(_start("import")) as door:
                summary = run_import(imported, lambda lines: door.send(lines, dedupe=True), on_progress=show)
    console.print(format_summary(summary), markup=False, highlight=False)
    if summary.read and not summary.dry_run and not summary.accepted and not summary.duplicate:
        raise typer.Exit(1)


@cli.command("import-benchmarks")
def import_benchmarks(
    path: Annotated[Path, typer.Argument(help="a folder, a zip or a file that a harness wrote")],
    harness: Annotated[str, typer.Option(help="which importer; default: told by the content")] = "",
    checkpoint: Annotated[str, typer.Option(help="the checkpoint that all of it is of")] = "",
    map: Annotated[list[str], typer.Option("--map", help="NAME=CHECKPOINT, several with commas or repeated")] = [],  # noqa: A002, B006
    model: Annotated[str, typer.Option(help="its family; default: as the fleet file says")] = "",
    step: Annotated[int, typer.Option(min=-1, help="its training step; -1: as file, fleet file or name say")] = -1,
    dry_run: Annotated[bool, typer.Option(help="read and say what is there, write nothing")] = False,
) -> None:
    """Import results of benchmarks; importing them again changes nothing."""
    from monitor.doors import open_door
    from monitor.harnesses.naming import Names
    from monitor.harnesses.run import REFUSED, import_tree, summary
    from monitor.harnesses.tree import open_tree
    from monitor.ids import run_id
    from monitor.importers import parse_pairs

    settings = _start("import")
    names = Names(
        load_fleet(settings.fleet_file),
        parse_pairs(map, "--map"),
        checkpoint or None,
        model or None,
        step if step >= 0 else None,
    )
    owner = f"import-{run_id(os.getpid(), datetime.now(UTC).isoformat())}"
    lines = []
    with open_tree(path) as tree, nullcontext() if dry_run else open_door(settings) as door:
        for line in import_tree(tree, names, door.write if door else None, owner, harness):
            lines.append(line)
            told = [line.words, *(f"         note: {note}" for note in line.notes)]
            console.print("\n".join(told), markup=False, highlight=False)
        for skipped in tree.skipped:
            console.print(f"left out {skipped}", markup=False, highlight=False)
    console.print(summary(lines), markup=False, highlight=False)
    if any(line.outcome == REFUSED for line in lines):
        raise typer.Exit(1)


@cli.command("forget-benchmark")
def forget_benchmark(
    run: Annotated[str, typer.Argument(help="id of an evaluation; the query benchmark_runs lists them")],
) -> None:
    """Delete an evaluation that was imported by mistake, with its items."""
    from monitor.doors import open_door

    with open_door(_start("import")) as door:
        door.write("benchmark-forget", {"run": run})
    print(f"forgotten: {run}")


cli.command("drift-reference")(drift_reference)
cli.command("drift-files")(drift_files)


@cli.command()
def query(
    name: Annotated[str, typer.Argument(help="which question; leave it out to see all")] = "",
    params: Annotated[list[str], typer.Argument(help="parameter=value, repeated for a list")] = [],  # noqa: B006
    format: Annotated[str, typer.Option("--format", help="table, json, csv, parquet or arrow")] = "table",  # noqa: A002
    output: Annotated[Path | None, typer.Option(help="a file instead of standard output")] = None,
) -> None:
    """Ask the running api one of the registered questions."""
    from monitor.api.formats import FORMATS
    from monitor.client.reader import Reader

    reader = Reader(load_settings().api)
    if not name:
        for one in reader.names():
            console.print(
                f"[bold]{one['name']}[/bold] {', '.join(one['parameters'])}\n    {one['doc'].splitlines()[0]}"
            )
        return
    values: dict[str, Any] = {}
    for pair in params:
        key, equals, value = pair.partition("=")
        if not equals:
            raise BadInput(f"{pair!r}: expected parameter=value, such as start=-24h")
        values.setdefault(key, []).append(value)
    if format == "table":
        console.print(
            reader.query(name, **values).to_string(index=False), markup=False, highlight=False, soft_wrap=True
        )
        return
    if format not in FORMATS:
        raise BadInput(f"--format is {format!r}: allowed are table, {', '.join(FORMATS)}")
    body = reader.fetch(name, FORMATS[format], **values)
    if output:
        output.write_bytes(body)
    else:
        sys.stdout.buffer.write(body)


cli.command("drift-report")(drift_report)
cli.command("drift-test")(drift_test)


@cli.command()
def demo(
    days: Annotated[int, typer.Option(min=1, max=60)] = 14,
    seed: Annotated[int, typer.Option()] = 7,
) -> None:
    """Load days of labelled demo traffic with planted incidents, and a fleet file for it if there is none."""
    from monitor.demo.load import load_demo

    settings = _start("demo")
    now = datetime.now(UTC)
    with progress_bar() as progress:
        task = progress.add_task("demo traffic", total=days * 86400)
        print(load_demo(settings, now, days, seed, lambda seconds: progress.update(task, completed=seconds)))


@cli.command()
def backup(target: Annotated[Path, typer.Argument(help="a new or empty folder")]) -> None:
    """Take a consistent copy of everything, while running or not."""
    from monitor.doors import open_door

    with open_door(_start("backup")) as door:
        print(
            orjson.dumps(
                door.maintain("backup", {"target": str(target.resolve())}), option=orjson.OPT_INDENT_2, default=str
            ).decode()
        )


@cli.command()
def restore(source: Annotated[Path, typer.Argument(help="a folder that `backup` made")]) -> None:
    """Put a backup into the (empty) data folder, after reading it through."""
    from monitor.store.backup import restore as put_back

    settings = load_settings()
    manifest = put_back(source, settings.data, datetime.now(UTC))
    print(f"restored {manifest['predictions']} predictions taken at {manifest['taken_at']} into {settings.data}")


@cli.command()
def version() -> None:
    """Print the version."""
    import monitor

    print(monitor.version())
