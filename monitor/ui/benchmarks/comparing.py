"""Two checkpoints on every benchmark that both have: who is better, by how much, how sure, and what it would take."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
import streamlit as st

from monitor.charts import benchmarkwords as bw
from monitor.charts import words
from monitor.charts.benchmarkmarks import CLAIM
from monitor.ui import data, faces, text
from monitor.ui.benchmarks import comparison, flips, forestplot, place, protocols
from monitor.ui.benchmarks.parts import difference, items_of
from monitor.ui.benchmarks.place import Place
from monitor.ui.data import Ask, ask

Row = Mapping[str, Any]

MOST_SENTENCES = 8
MOST_BARS = 60
FEW = 5


def asks(at: Place) -> dict[str, Ask]:
    """The questions behind this view."""
    if not (at.a and at.b):
        return {"Scores": _scores(at)}
    found = {"Comparison": ask("benchmark_comparison", **at.pair)}
    if at.benchmark:
        found |= {"By category": flips.by_category(at), "Items that flipped": flips.question(at)}
    return found


def settled(at: Place) -> Place:
    """With two checkpoints, if the address names none: the best and the last one, or the first two."""
    steps = _checkpoints(data.load(_scores(at)))
    if (at.a and at.b) or len(steps) < 2:
        return at
    for row in data.records(data.load(ask("benchmark_best", ignore=at.ignore))):
        if not row["benchmark"] and words.known(row["last"]) and row["last"] != row["best"]:
            return at.comparing(str(row["best"]), str(row["last"]))
    first, second = list(steps)[:2]
    return at.comparing(first, second)


def draw_comparison(at: Place) -> None:
    """Choose two checkpoints, then see the comparison."""
    steps = _checkpoints(data.load(_scores(at)))
    if len(steps) < 2:
        faces.nothing_yet("A comparison needs two checkpoints with figures of their own.", "compare")
        return
    _pick(at, steps)
    protocols.draw_warning(at)
    if at.a == at.b:
        st.caption("Choose two different checkpoints.")
        return
    if wrong := [one for one in (at.a, at.b) if one not in steps]:
        _unknown(wrong[0])
        return
    rows = data.records(data.load(asks(at)["Comparison"]))
    if not rows:
        faces.nothing_yet("No benchmark was run on both of them.", "compared")
        return
    st.markdown(f"**A** is {_named(at.a, steps)}, **B** is {_named(at.b, steps)}.")
    _verdicts(rows, at.a)
    _forest(rows, at)
    with st.expander("All numbers", icon=":material/table_rows:", key="numbers", on_change="rerun") as numbers:
        if numbers.open:
            _table(rows, at.a)
    _one_benchmark(at, rows)


def _unknown(checkpoint: str) -> None:
    st.warning(
        f"There are no figures of {text.plain(checkpoint)}. It may have been forgotten since this link was made.",
        title="This checkpoint is not known",
        icon=":material/search_off:",
    )


def _scores(at: Place) -> Ask:
    return ask("benchmark_scores", ignore=at.ignore)


def _checkpoints(known: pd.DataFrame) -> dict[str, Any]:
    """The checkpoints with figures of their own and their steps, model by model in the order of their steps."""
    own = known[known["origin"] != CLAIM].drop_duplicates("checkpoint", keep="last")
    order = own.assign(model=own["model"].fillna("~")).sort_values(["model", "step", "checkpoint"])
    return {str(row["checkpoint"]): row["step"] for row in data.records(order)}


def _named(checkpoint: str, steps: Mapping[str, Any]) -> str:
    return text.plain(bw.named(checkpoint, steps.get(checkpoint)))


def _pick(at: Place, steps: Mapping[str, Any]) -> None:
    with st.container(horizontal=True, vertical_alignment="bottom"):
        for name, label in (("a", "A, the one that is known"), ("b", "B, compared with it")):
            options = list(dict.fromkeys([*steps, getattr(at, name)]))
            st.session_state[f"compare-{name}"] = getattr(at, name)
            st.selectbox(
                label,
                options,
                format_func=lambda one: bw.named(one, steps.get(one)),
                key=f"compare-{name}",
                on_change=_take,
                args=(at,),
                width=290,
            )
        st.button("Swap", icon=":material/swap_horiz:", key="swap", on_click=place.go, kwargs={"a": at.b, "b": at.a})
        protocols.pick_ignored(at, "ignore-compared")


def _take(at: Place) -> None:
    a, b = (str(st.session_state[f"compare-{name}"]) for name in ("a", "b"))
    place.go(part=place.COMPARE, a=a, b=b, benchmark=at.benchmark, category="", item="")


def _verdicts(rows: Sequence[Row], a: str) -> None:
    """The whole in a sentence, then each benchmark, those with a difference first."""
    st.markdown(f":material/balance: {comparison.summary(rows, a)}")
    n_tests = comparison.tested(rows)
    for row in most_telling(rows)[:MOST_SENTENCES]:
        st.markdown(comparison.sentence(row, a, n_tests))
    if len(rows) > MOST_SENTENCES:
        st.caption(f"The {len(rows) - MOST_SENTENCES} others are in the table of all numbers.")


def most_telling(rows: Sequence[Row]) -> list[Row]:
    """Differences that are shown first, the largest of them on top; what cannot be compared last."""
    order = {"b_higher": 0, "b_lower": 0, "no_difference_shown": 1, "not_enough_data": 2}
    return sorted(
        rows,
        key=lambda row: (
            order.get(str(row["verdict"]), 3),
            -abs(float(row["difference"])) if words.known(row["difference"]) else 0.0,
            row["benchmark"],
        ),
    )


def _forest(rows: Sequence[Row], at: Place) -> None:
    drawn = [row for row in most_telling(rows) if forestplot.drawable(row)]
    if not drawn:
        return
    forestplot.draw_forest(drawn[:MOST_BARS], "benchmark", at.a)
    n = comparison.tested(rows)
    adjusted = f" after the adjustment for {n} benchmarks" if n > 1 else ""
    lower = [text.plain(row["benchmark"]) for row in drawn if not row["higher_is_better"]]
    turned = f" Of {bw.listed(lower)} lower is better: there left is B." if lower else ""
    more = f" The {MOST_BARS} that tell most of {len(drawn)}." if len(drawn) > MOST_BARS else ""
    st.caption(
        "A dot is the difference in percentage points of what can be had, the line its 95 % interval. Left of the "
        f"dashed line A is better, right of it B; a filled dot is a difference that is shown{adjusted}.{turned}{more}"
    )


def _table(rows: Sequence[Row], a: str) -> None:
    n_tests = comparison.tested(rows)
    shown = pd.DataFrame([_line(row, a) for row in most_telling(rows)])
    st.dataframe(
        shown,
        hide_index=True,
        key="compared",
        placeholder=words.UNKNOWN,
        alt="The comparison on each benchmark in numbers",
        column_config={
            "p adjusted": st.column_config.TextColumn(help=f"Holm, for {n_tests} benchmarks"),
            "Shows": st.column_config.TextColumn(help="The difference that these items show 4 times out of 5"),
            "Not worse": st.column_config.TextColumn(help="That B loses less than the margin, with 97.5 %"),
            "More items": st.column_config.NumberColumn(help="To show a difference as large as this one"),
            "Only A": st.column_config.NumberColumn(help="Items that only A passes"),
            "Only B": st.column_config.NumberColumn(help="Items that only B passes"),
        },
    )


def _line(row: Row, a: str) -> dict[str, Any]:
    unit = comparison.scaled(row)
    write = bw.percent if unit else bw.number
    margin = f"{float(row['margin']) * 100:.3g} points" if words.known(row["margin"]) else ""
    inferior = row["non_inferior"]
    return {
        "Benchmark": row["benchmark"],
        "Verdict": comparison.verdict(row, a),
        "A": write(row["mean_a"]),
        "B": write(row["mean_b"]),
        "B minus A": bw.points(row["difference"], unit),
        "95 % interval": bw.span(row["low"], row["high"], unit) if words.known(row["low"]) else "",
        "p adjusted": bw.p_value(row["p_adjusted"]),
        "p": bw.p_value(row["p_value"]),
        "n": row["n"],
        "Groups": row["n_groups"],
        "Only A": row["only_a"],
        "Only B": row["only_b"],
        "Not worse": f"{'shown' if inferior else 'not shown'} ({margin})" if words.known(inferior) else "",
        "More items": row["items_needed"] if not words.known(row["better"]) else None,
        "Shows": f"{float(row['smallest']) * 100:.1f} points" if unit and words.known(row["smallest"]) else "",
        "Test": bw.TESTS.get(str(row["method"]), ""),
        "Why": "; ".join(difference(str(one)) for one in items_of(row["why"])),
    }


def _one_benchmark(at: Place, rows: Sequence[Row]) -> None:
    """Categories and items of one benchmark; without a choice of the one that tells most."""
    names = [str(row["benchmark"]) for row in most_telling(rows) if row["n"]]
    if not names:
        return
    chosen = at.benchmark if at.benchmark in names else names[0]
    st.header("Within one benchmark", anchor=False)
    st.session_state["compare-benchmark"] = chosen
    if len(names) <= FEW:
        st.segmented_control("Benchmark", names, key="compare-benchmark", required=True, on_change=_within, args=(at,))
    else:
        st.selectbox("Benchmark", names, key="compare-benchmark", on_change=_within, args=(at,), width=320)
    flips.draw_within(at.within(chosen))


def _within(at: Place) -> None:
    chosen = str(st.session_state["compare-benchmark"])
    place.go(part=place.COMPARE, a=at.a, b=at.b, benchmark=chosen, category="", item="")
