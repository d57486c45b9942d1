"""Which files of a VLMEvalKit folder belong to which data set, and what each of them is.

Their names are `{model}_{dataset}{ending}`; neither part has a fixed alphabet, and some data sets' names begin with
those of others. `monitor/harnesses/vlmevalkit.py` calls it.
"""

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import PurePosixPath

RUN = re.compile(r"T\d{8}-\d{6}|T\d{8}_G[0-9a-fA-F]+")
TABLES = frozenset({"xlsx", "tsv", "csv", "json"})
TEMPORARY = re.compile(r"_(checkpoint|PREV|structs|tmp|acc_all|extra|config|meta)$")
SCORES = re.compile(r"_(acc|score|scores|metrics|rating|fine)$")
DETAILS = re.compile(r"(_results|_auxmatch|_[^_]+_result|_exact_matching_result|_detailed_results)$")
JUDGE = re.compile(
    r"_(?:exact_matching|chatgpt|openai|gpt|claude|gemini|qwen|deepseek|llama|grok|kimi|glm)[^_]*$", re.IGNORECASE
)
JUDGES = {"openai": "chatgpt-0125", "gpt4": "gpt-4-0125"}
"""What files call a judge that `status.json` calls differently."""

KNOWN = frozenset(
    """
    A-Bench_TEST A-Bench_VAL AI2D_TEST AI2D_TEST_NO_MASK AMBER BLINK CCBench ChartQA_TEST DocVQA_TEST DocVQA_VAL
    GQA_TestDev_Balanced HallusionBench InfoVQA_TEST InfoVQA_VAL LogicVista MMBench MMBench_CN MMBench_CN_V11
    MMBench_DEV_CN MMBench_DEV_CN_V11 MMBench_DEV_EN MMBench_DEV_EN_V11 MMBench_TEST_CN MMBench_TEST_CN_V11
    MMBench_TEST_EN MMBench_TEST_EN_V11 MMBench_V11 MME MMMU_DEV_VAL MMMU_TEST MMStar MMT-Bench_ALL MMT-Bench_VAL
    MMVet MMVP MathVerse_MINI MathVision MathVision_MINI MathVista_MINI OCRBench OCRBench_MINI OCRBench_v2
    OCRVQA_TEST OCRVQA_TESTCORE POPE Q-Bench1_TEST Q-Bench1_VAL RealWorldQA SEEDBench2_Plus SEEDBench_IMG
    ScienceQA_TEST ScienceQA_VAL TextVQA_VAL VSR-zeroshot VizWiz
    """.split()  # noqa: SIM905 - a list of names to be read
)


@dataclass(frozen=True, slots=True)
class Files:
    """The files of one data set in one run."""

    dataset: str
    predictions: tuple[str, ...]
    details: tuple[str, ...]
    scores: tuple[str, ...]


def rest_of(path: str, prefixes: Iterable[str]) -> str | None:
    """What stands after `{model}_` in a name, without its ending; None where it does not begin so."""
    stem = PurePosixPath(path).stem
    for prefix in prefixes:
        if prefix and stem.startswith(f"{prefix}_") and len(stem) > len(prefix) + 1:
            return stem[len(prefix) + 1 :]
    return None


def is_table(path: str) -> bool:
    return PurePosixPath(path).suffix.lstrip(".").lower() in TABLES


def datasets_of(rests: Collection[str], told: Collection[str] = ()) -> list[str]:
    """The data sets that these names are of, longest first; `told` are those that the run itself lists.

    >>> datasets_of({"MME", "MME_auxmatch", "MME_score", "MyOwn_gpt-4o-mini", "MyOwn_gpt-4o-mini_score", "MyOwn"})
    ['MyOwn', 'MME']
    """
    found = set(told)
    for stem in sorted({_bare(rest) for rest in rests if not TEMPORARY.search(rest)}, key=len):
        begins = max((name for name in (*found, *KNOWN) if stem.startswith(f"{name}_")), key=len, default="")
        if stem in KNOWN or not begins:
            found.add(stem)
        elif re.fullmatch(r"_(?!v\d)[a-z0-9_]+", stem[len(begins) :]):
            found.add(begins)  # a word in small letters is a kind of result that is not known here
        elif not (stem in rests and f"{stem}_score" in rests and f"{begins}_score" not in rests):
            found.add(stem)  # else the answers with what a judge said, beside the figures made of them
    return sorted(found, key=lambda name: (-len(name), name))


def _bare(rest: str) -> str:
    return JUDGE.sub("", DETAILS.sub("", SCORES.sub("", rest)))


def sorted_out(paths: Iterable[str], prefixes: tuple[str, ...], told: Collection[str]) -> dict[str, Files]:
    """The files of each data set by its name; one that the run lists is there even without files."""
    rests = {path: rest for path in paths if is_table(path) and (rest := rest_of(path, prefixes))}
    names = datasets_of(set(rests.values()), told)
    kinds: dict[str, dict[str, list[str]]] = {name: {} for name in names}
    for path, rest in sorted(rests.items()):
        name = next((one for one in names if rest == one or rest.startswith(f"{one}_")), None)
        if name is not None:
            kinds[name].setdefault(_kind(rest[len(name) :]), []).append(path)
    parts = ("predictions", "details", "scores")
    return {name: Files(name, *(tuple(kinds[name].get(part, ())) for part in parts)) for name in sorted(names)}


def _kind(ending: str) -> str:
    if not ending:
        return "predictions"
    if TEMPORARY.search(ending):
        return "temporary"
    if SCORES.search(ending):
        return "scores"
    return "details" if DETAILS.search(ending) or JUDGE.search(ending) else "other"


def judge_in(path: str, dataset: str) -> str | None:
    """The judge that a file of results names, as `status.json` would call it.

    >>> judge_in("M/M_MMStar_openai_result.xlsx", "MMStar"), judge_in("M/M_DocVQA_VAL_results.xlsx", "DocVQA_VAL")
    ('chatgpt-0125', None)
    """
    ending = PurePosixPath(path).stem.rpartition(f"_{dataset}")[2]
    found = re.fullmatch(r"_(.+?)(?:_result|_score)?", ending)
    if found is None or found[1] in ("results", "auxmatch", "acc", "score", "detailed_results"):
        return None
    return JUDGES.get(found[1], found[1])
