"""The verbs `drift-report` and `drift-test` of the command line; `monitor/cli.py` registers them.

Both need no scheduler. `drift-test` is for pipelines: exit code 0 all tests passed, 1 one failed, 2 a mistake in what
was asked.
"""

import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from monitor.config import load_settings
from monitor.errors import BadInput
from monitor.evidently.orders import DRIFT_SHARE, PRESETS, READ, STEPS
from monitor.logs import progress_bar, set_up_logs

if TYPE_CHECKING:
    from monitor.evidently.child import Made

PASSED, FAILED = 0, 1
GOOD = ("SUCCESS", "WARNING")
"""Evidently warns where a test that is not critical fails."""

Deployment = Annotated[str, typer.Option(help="the deployment to look at")]
Start = Annotated[str, typer.Option(help="RFC 3339, or relative such as -24h")]
End = Annotated[str, typer.Option(help="likewise")]
Reference = Annotated[str, typer.Option(help="id of a reference; default: the one in force, or the window below")]
ReferenceStart = Annotated[str, typer.Option(help="compare with this window instead")]
ReferenceEnd = Annotated[str, typer.Option(help="its end")]
ReferenceDeployment = Annotated[str, typer.Option(help="of another deployment; default: the same one")]
Source = Annotated[str, typer.Option(help="production, demo, canary, probe or shadow")]
Preset = Annotated[str, typer.Option(help=", ".join(PRESETS))]
Features = Annotated[list[str], typer.Option("--feature", help="only this feature; may be repeated")]
Sample = Annotated[int, typer.Option(min=100, max=100_000, help="most rows of a side")]
Seed = Annotated[int, typer.Option(min=0, help="another one chooses other rows")]


def drift_report(
    deployment: Deployment,
    start: Start = "-24h",
    end: End = "now",
    reference: Reference = "",
    reference_start: ReferenceStart = "",
    reference_end: ReferenceEnd = "",
    reference_deployment: ReferenceDeployment = "",
    source: Source = "production",
    preset: Preset = "drift",
    feature: Features = [],  # noqa: B006
    sample: Sample = 20_000,
    seed: Seed = 0,
    out: Annotated[Path | None, typer.Option(help="FILE.html or .json; default: drift-DEPLOYMENT-PRESET.html")] = None,
) -> None:
    """Write a full report of Evidently of a window against the reference, or against another window."""
    target = out or Path(f"drift-{deployment}-{preset}.html")
    if target.suffix not in (".html", ".json"):
        raise BadInput(f"--out is {target}: allowed are names that end with .html or .json")
    if not target.absolute().parent.is_dir():
        raise BadInput(f"--out is {target}: the folder {target.absolute().parent} does not exist; make it first")
    window = {"deployment": deployment, "source": source, "start": start, "end": end}
    against = {"reference": reference, "reference_start": reference_start, "reference_end": reference_end}
    against |= {"reference_deployment": reference_deployment}
    spec = {"preset": preset, "features": feature, "sample": sample, "seed": seed}
    made, lines = _made(window, against, spec, html=target.suffix == ".html")
    target.write_bytes(made.html if made.html is not None else made.json)
    print("\n".join([*lines, *_told(made.summary), f"written to {target}"]))


def drift_test(
    deployment: Deployment,
    start: Start = "-24h",
    end: End = "now",
    reference: Reference = "",
    reference_start: ReferenceStart = "",
    reference_end: ReferenceEnd = "",
    reference_deployment: ReferenceDeployment = "",
    source: Source = "production",
    preset: Preset = "drift",
    feature: Features = [],  # noqa: B006
    sample: Sample = 20_000,
    seed: Seed = 0,
    drift_share: Annotated[float, typer.Option(min=0.0, max=1.0, help="share of columns that may drift")] = DRIFT_SHARE,
    only_share: Annotated[bool, typer.Option("--only-share", help="only test the share of drifted columns")] = False,
    out: Annotated[Path | None, typer.Option(help="a file for the figures, .json")] = None,
) -> None:
    """Run Evidently's tests of a window against the reference: exit code 0 all passed, 1 one failed, 2 a mistake."""
    if out is not None and (out.suffix != ".json" or not out.absolute().parent.is_dir()):
        raise BadInput(f"--out is {out}: expected a name that ends with .json, in a folder that exists")
    if only_share and preset not in ("drift", "all"):
        raise BadInput(f"--only-share needs the preset drift or all, not {preset}")
    window = {"deployment": deployment, "source": source, "start": start, "end": end}
    against = {"reference": reference, "reference_start": reference_start, "reference_end": reference_end}
    against |= {"reference_deployment": reference_deployment}
    spec = {"preset": preset, "features": feature, "sample": sample, "seed": seed}
    made, lines = _made(window, against, spec, tests=True, html=False, drift_share=drift_share)
    if out is not None:
        out.write_bytes(made.json)
    tests = [one for one in made.summary["tests"] if not only_share or one["name"].startswith("Share of Drifted")]
    failed = [one for one in tests if one["status"] not in GOOD]
    if not tests:
        raise BadInput(f"there is no test in the preset {preset!r} for these predictions: choose another one")
    told = [f"{one['status']}: {one['name']}: {one['said']}" for one in failed]
    print("\n".join([*lines, *told, f"{len(tests) - len(failed)} of {len(tests)} tests passed"]))
    sys.exit(FAILED if failed else PASSED)


def _made(
    window: dict[str, str], against: dict[str, str], spec: dict[str, Any], **how: Any
) -> tuple["Made", list[str]]:
    """Make a report while somebody looks; and what was compared, in words."""
    from monitor.doors import open_door  # noqa: PLC0415 (takes a second, which `--help` need not)
    from monitor.evidently.making import compared, lines_of, made_of  # noqa: PLC0415

    if spec["preset"] not in PRESETS:
        raise BadInput(f"--preset is {spec['preset']!r}: allowed are {', '.join(PRESETS)}")
    settings = load_settings()
    set_up_logs("warning", "evidently")
    given = {name: value for name, value in (window | against).items() if value}
    with open_door(settings) as door, _steps() as on_step:
        spec |= compared(window["source"], door.query("drift_report_sides", **given))
        made, counts = made_of(door, spec, on_step, **how)
    return made, lines_of(spec, counts)


@contextmanager
def _steps() -> Any:
    with progress_bar() as bar:
        task = bar.add_task(READ, total=1 + len(STEPS))

        def show(step: str, _: dict[str, int]) -> None:
            bar.update(task, completed=(READ, *STEPS).index(step), description=step)

        yield show


def _told(summary: dict[str, Any]) -> list[str]:
    drifted = [one["feature"] for one in summary["features"] if one["drifted"]]
    lines = [f"left out {name}: {reason}" for name, reason in summary["left_out"].items()]
    if summary["drifted"] is not None:
        named = f": {', '.join(drifted)}" if drifted else ""
        lines.append(f"{len(drifted)} of {summary['columns']} columns drifted by Evidently's defaults{named}")
    return lines
