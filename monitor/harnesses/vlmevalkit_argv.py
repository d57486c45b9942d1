"""What a VLMEvalKit run was told on its command line, as far as it changes the figures; for `vlmevalkit`.

Frames, reasoning, ways to ask and other runtimes are told there and nowhere else. Which options there are differs
between versions, so those that say nothing are named here, and all others are taken to tell.
"""

from collections.abc import Iterator

from monitor.benchmarks.protocol import fingerprint

SILENT = frozenset(
    {
        "data",
        "model",
        "work-dir",
        "mode",
        "api-nproc",
        "judge-api-nproc",
        "retry",
        "judge-retry",
        "judge",
        "verbose",
        "ignore",
        "reuse",
        "reuse-aux",
        "pred-format",
        "eval-format",
    }
)
"""What is asked of whom, where it goes, how often it is tried; the judge is a part of the protocol by itself."""
READABLE_CHARS = 120
DEFAULT = "the harness's own"


def prompt_of(argv: object) -> str | None:
    """The telling options in words, or their fingerprint where they are long; None where nobody knows them.

    >>> prompt_of(["run.py", "--data", "MMStar", "--model", "m", "--nframe", "8", "--use-vllm"])
    '--nframe 8 --use-vllm'
    >>> prompt_of(["run.py", "--data", "MMStar", "MMMU", "--verbose"])
    "the harness's own"
    """
    if not isinstance(argv, list) or not argv or not all(isinstance(one, str) for one in argv):
        return None
    told = sorted(" ".join(parts) for parts in _options(argv) if parts[0].removeprefix("--") not in SILENT)
    written = " ".join(told)
    if not told:
        return DEFAULT
    return written if len(written) <= READABLE_CHARS and written.isprintable() else fingerprint(told)


def _options(argv: list[str]) -> Iterator[list[str]]:
    """Each option with its values; what comes before the first one is the program."""
    option: list[str] = []
    for one in argv:
        if one.startswith("--"):
            if option:
                yield option
            name, _, value = one.partition("=")
            option = [name.replace("_", "-"), *([value] if value else [])]
        elif option:
            option.append(one)
    if option:
        yield option
