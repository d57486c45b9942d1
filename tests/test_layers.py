"""Imports point one way: each layer imports only what stands before it, and some libraries have one room."""

import ast
import graphlib
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parent.parent
PRODUCT = ("monitor", "jobs", "pages", "Home.py", "asgi_app.py")


@dataclass(frozen=True)
class Layer:
    """Files or folders, the layers that they may import besides their own, and the libraries (None: any)."""

    name: str
    files: tuple[str, ...]
    may_import: tuple[str, ...] = ()
    libraries: tuple[str, ...] | None = None


LAYERS = (
    Layer(
        "words",
        (
            "monitor/__init__.py",
            "monitor/chat.py",
            "monitor/config.py",
            "monitor/errors.py",
            "monitor/fleet.py",
            "monitor/ids.py",
            "monitor/records.py",
            "monitor/timetable.py",
            "monitor/toml_tables.py",
        ),
        libraries=(),
    ),
    Layer(
        "maths",
        (
            "monitor/stats/",
            "monitor/benchmarks/",
            "monitor/drift/",
            "monitor/canary/__init__.py",
            "monitor/canary/fingerprint.py",
            "monitor/canary/loads.py",
            "monitor/canary/noise.py",
            "monitor/canary/reading.py",
            "monitor/canary/refusals.py",
            "monitor/canary/signals.py",
        ),
        ("words",),
        ("numpy", "scipy", "pandas", "re2"),
    ),
    Layer("embeddings", ("monitor/features/embedding.py",), ("words", "maths", "storage")),
    Layer("descriptors", ("monitor/features/",), ("words", "maths"), ("numpy", "PIL", "re2")),
    Layer("pictures", ("monitor/charts/",), ("words", "maths"), ("numpy", "scipy", "pandas", "plotly", "PIL")),
    Layer(
        "storage",
        (
            "monitor/store/",
            "monitor/ingest/",
            "monitor/importers/",
            "monitor/harnesses/",
            "monitor/queries/",
            "monitor/datasets/",
            "monitor/inference/",
            "monitor/runtimes/",
        ),
        ("words", "maths", "descriptors"),
    ),
    Layer("client", ("monitor/client/",), ("words",)),
    Layer(
        "doors",
        (
            "monitor/api/",
            "monitor/canary/",
            "monitor/probe/",
            "monitor/cli.py",
            "monitor/cli_drift.py",
            "monitor/__main__.py",
            "monitor/doors.py",
            "monitor/evidently/",
            "monitor/listen.py",
            "monitor/logs.py",
            "monitor/scheduler.py",
            "monitor/up.py",
            "monitor/demo/",
            "jobs/",
        ),
        ("words", "maths", "descriptors", "embeddings", "pictures", "storage", "client"),
    ),
    Layer(
        "screen",
        ("monitor/ui/", "pages/", "Home.py", "asgi_app.py"),
        ("words", "maths", "descriptors", "pictures", "client"),
    ),
)

ROOMS = {
    "duckdb": ("monitor/store/",),
    "streamlit": ("monitor/ui/", "pages/", "Home.py", "asgi_app.py"),
    "torch": ("monitor/inference/", "monitor/demo/"),
    "transformers": ("monitor/inference/", "monitor/demo/"),
    "evidently": ("monitor/evidently/",),
    "sklearn": (),
    "gradio_client": ("monitor/runtimes/",),
}
"""Libraries that are imported in one place only."""

READS_ENVIRONMENT = ("monitor/config.py", "monitor/client/sdk.py", "monitor/client/options.py")
"""The SDK lives in other people's processes, without our settings."""


@cache
def sources() -> dict[str, ast.Module]:
    """The syntax tree of each product file by its path from the root."""
    files = [
        path for name in PRODUCT for path in ([ROOT / name] if name.endswith(".py") else (ROOT / name).rglob("*.py"))
    ]
    return {path.relative_to(ROOT).as_posix(): ast.parse(path.read_text("utf-8")) for path in files if path.exists()}


def layer_of(file: str) -> Layer | None:
    return next((layer for layer in LAYERS if file.startswith(layer.files)), None)


def file_of(module: str) -> str | None:
    """The product file that `import module` runs, None for a library."""
    path = module.replace(".", "/")
    return next((file for file in (f"{path}.py", f"{path}/__init__.py") if file in sources()), None)


def imported(file: str) -> Iterator[str]:
    """The dotted names that a file imports, at its top or inside a function."""
    for node in ast.walk(sources()[file]):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            package = file.removesuffix(".py").split("/")[: -node.level] if node.level else []
            module = ".".join([*package, *([node.module] if node.module else [])])
            yield from (
                f"{module}.{alias.name}" if file_of(f"{module}.{alias.name}") else module for alias in node.names
            )


def libraries(file: str) -> set[str]:
    """The libraries of others that a file imports."""
    heads = {name.split(".")[0] for name in imported(file) if file_of(name) is None}
    return heads - sys.stdlib_module_names - {"monitor", "jobs", "pages"}


def neighbours(file: str) -> set[str]:
    """The product files that a file imports."""
    return {target for name in imported(file) if (target := file_of(name)) is not None} - {file}


def test_every_product_file_has_a_layer() -> None:
    homeless = [file for file in sources() if layer_of(file) is None]
    assert not homeless, f"name them in LAYERS above: {homeless}"


def test_each_layer_imports_only_the_layers_before_it() -> None:
    wrong = []
    for file in sources():
        here = layer_of(file)
        for target in sorted(neighbours(file)):
            there = layer_of(target)
            if here and there and there.name not in (here.name, *here.may_import):
                wrong.append(f"{file} ({here.name}) imports {target} ({there.name})")
    assert wrong == []


def test_no_modules_import_each_other_in_a_circle() -> None:
    graph = {file: neighbours(file) for file in sources()}
    list(graphlib.TopologicalSorter(graph).static_order())  # raises CycleError with the circle


def test_words_and_maths_import_no_other_libraries() -> None:
    wrong = []
    for file in sources():
        here = layer_of(file)
        if here and here.libraries is not None:
            wrong += [f"{file} imports {name}" for name in sorted(libraries(file) - {*here.libraries})]
    assert wrong == []


def test_duckdb_and_streamlit_stay_in_their_rooms() -> None:
    wrong = [
        f"{file} imports {library}"
        for library, room in ROOMS.items()
        for file in sources()
        if library in libraries(file) and not file.startswith(room)
    ]
    assert wrong == []


def test_only_the_settings_and_the_sdk_read_the_environment() -> None:
    readers = {
        file
        for file, tree in sources().items()
        for node in ast.walk(tree)
        if (isinstance(node, ast.Attribute) and node.attr in ("environ", "environb", "getenv"))
        or (
            isinstance(node, ast.ImportFrom)
            and node.module == "os"
            and {a.name for a in node.names} & {"environ", "getenv"}
        )
    }
    assert sorted(readers - {*READS_ENVIRONMENT}) == []


def test_the_sdk_file_imports_the_standard_library_and_its_own_package_only() -> None:
    waiting = ["monitor/client/sdk.py"]
    seen: set[str] = set()
    while waiting:
        file = waiting.pop()
        seen.add(file)
        assert libraries(file) == set(), f"{file} is part of the SDK"
        waiting += neighbours(file) - seen
    assert [file for file in seen if not file.startswith("monitor/client/")] == []


def test_the_sdk_is_imported_by_a_python_without_any_library() -> None:
    code = "import monitor.client as sdk; sdk.log; sdk.track"
    done = subprocess.run([sys.executable, "-S", "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_importing_the_product_needs_no_environment_and_starts_nothing() -> None:
    modules = [
        f.removesuffix(".py").removesuffix("/__init__").replace("/", ".") for f in sources() if f.startswith("monitor/")
    ]
    quiet = [name for name in modules if not name.endswith("__main__") and not name.startswith("monitor.ui")]
    code = (
        "import importlib, sys, threading\n"
        "for name in sys.argv[1:]: importlib.import_module(name)\n"
        "assert threading.active_count() == 1, threading.enumerate()"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *quiet], cwd=ROOT, capture_output=True, text=True, check=False, env={}
    )
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
