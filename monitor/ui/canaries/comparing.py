"""Two deployments on the same items of a canary: who is better, by how much, how sure that is, and where they part."""

from collections.abc import Mapping
from typing import Any

import pandas as pd
import streamlit as st

from monitor.charts import paired, words
from monitor.charts.forest import differences_by_group
from monitor.charts.paired import Effect
from monitor.ui import access, data, faces, text
from monitor.ui.canaries import place
from monitor.ui.canaries.opened import OUTCOMES
from monitor.ui.canaries.place import Place
from monitor.ui.data import Ask, ask
from monitor.ui.probe import diff
from monitor.ui.probe.pairs import ICONS

Row = Mapping[str, Any]
MOST_TAGS = 12
LEVEL = 0.05
"""McNemar's p-values below this show a difference."""


def asks(at: Place, b: str) -> dict[str, Ask]:
    """The questions behind this part of the page."""
    both = {"canary": at.canary, "a": at.deployment, "b": b, "tag": at.tag}
    return {"Comparison": ask("canary_comparison", **both), "Items that part": ask("canary_parted", **both)}


def draw_comparison(at: Place, others: list[str], tags: list[str]) -> None:
    """Choose the other deployment, then see the comparison."""
    b = _pick(at, others)
    if not b:
        return
    row = data.records(data.load(asks(at, b)["Comparison"]))[0]
    st.markdown(f"**A** is {text.plain(at.deployment)}, **B** is {text.plain(b)}.")
    for line in sentences(row):
        st.markdown(line)
    if row["n_pairs"]:
        _forest(at, b, row, tags)
        st.table(_passes(row), border="horizontal", width=420, alt="Items by who passed them")
    st.header("Items that part", anchor=False)
    _parted(data.load(asks(at, b)["Items that part"]), at.deployment, b)


def sentences(row: Row) -> list[str]:
    """The comparison as sentences for somebody who decides, each claim with its numbers."""
    n = int(row["n_pairs"])
    if not n:
        return [":material/hourglass_empty: The two have answered no item in common, so nothing can be compared."]
    found = [_counted(row), f"{ICONS[row['verdict']]} {_verdict(row)}"]
    if row["verdict"] != "not_enough_data":
        found.append(f":material/straighten: {_power(row)}")
    if words.known(row["boot"]):
        found.append(f":material/group_work: {_grouped(row)}")
    if row["n_latency"] and words.known(row["latency_ratio_low"]):
        found.append(f":material/timer: {_latency(row)}")
    return found


def _counted(row: Row) -> str:
    a = words.with_evidence(row["pass_a"], row["pass_a_low"], row["pass_a_high"], row["n_pairs"], "share")
    b = words.with_evidence(row["pass_b"], row["pass_b_low"], row["pass_b_high"], row["n_pairs"], "share")
    left = int(row["n_items"]) - int(row["n_pairs"])
    rest = f" {words.count(left)} more could not be judged on both, and are left out." if left else ""
    return (
        f":material/done_all: A passes {a}, B {b}. They part on {words.count(row['only_a'] + row['only_b'])} items: "
        f"{words.count(row['only_a'])} only A passes, {words.count(row['only_b'])} only B.{rest}"
    )


def _verdict(row: Row) -> str:
    if row["verdict"] == "not_enough_data":
        return f"**Too few items to tell**: {words.count(row['n_pairs'])} that both answered show nothing either way."
    low, high = float(row["difference_low"]), float(row["difference_high"])
    span = f"{_points(low)} to {_points(high)}"
    if row["verdict"] == "no_difference_shown":
        if float(row["p_value"]) < LEVEL and int(row["n_groups"]) < int(row["n_pairs"]):
            return _not_by_group(row)
        return (
            f"**No difference shown.** With 95 % confidence B minus A lies between {span} points. That does not say "
            "that they are equal."
        )
    better = "B" if row["verdict"] == "b_higher" else "A"
    sure = words.share(float(row["p_value"]))
    return (
        f"**{better} is better**, by {abs(float(row['difference'])) * 100:.1f} points (95 % interval of B minus A: "
        f"{span}). If the two were equally good, items would part as unevenly as this {sure} of the time (McNemar)."
    )


def _not_by_group(row: Row) -> str:
    """Items one by one would show a difference, and groups do not."""
    return (
        f"**No difference shown.** The {words.count(row['n_pairs'])} items come from {words.count(row['n_groups'])} "
        "groups, such as items that share an image. Counted one by one they would part too unevenly for chance "
        f"({words.share(float(row['p_value']))}, McNemar), but items of a group tend to go wrong together, and counted "
        "by groups the difference may be chance. That does not say that they are equal."
    )


def _power(row: Row) -> str:
    drop = row["smallest_drop"]
    seen = (
        f"a difference of {float(drop) * 100:.0f} points or more is seen 4 times out of 5"
        if words.known(drop)
        else "no difference is seen reliably"
    )
    n, need = int(row["n_pairs"]), row["items_for_3_points"]
    if not words.known(need):
        return f"With {words.count(n)} items, {seen}."
    more = int(need) - n
    rest = f"to see one of 3 points, {words.count(more)} more items are needed" if more > 0 else "3 points are seen too"
    return f"With {words.count(n)} items, {seen}; {rest}."


def _grouped(row: Row) -> str:
    return (
        f"Weighted as the suite says, and with items that share an image counted together: B minus A "
        f"{_points(float(row['boot']))} points ({_points(float(row['boot_low']))} to "
        f"{_points(float(row['boot_high']))}, bootstrap)."
    )


def _latency(row: Row) -> str:
    ratio, low, high = (float(row[name]) for name in ("latency_ratio", "latency_ratio_low", "latency_ratio_high"))
    span = f"95 % interval {low:.2f} to {high:.2f}, n {words.count(row['n_latency'])}"
    if low <= 1 <= high:
        return f"No difference in speed shown: on the same item B takes {ratio:.2f} times as long as A ({span})."
    word = "longer" if ratio > 1 else "less long"
    return f"**B takes {word}**: {ratio:.2f} times as long as A on the same item ({span})."


def _points(value: float) -> str:
    return f"{value * 100:+.1f}"


def _pick(at: Place, others: list[str]) -> str:
    if not others:
        faces.nothing_yet(
            f"{text.plain(at.canary)} runs on one deployment only; a comparison needs two.", "compare-canaries"
        )
        return ""
    options = list(dict.fromkeys([*others, *([at.b] if at.b and at.b != at.deployment else [])]))
    st.session_state["canary-b"] = at.b if at.b in options else options[0]
    return str(
        st.selectbox(
            f"Compare {at.deployment} (A) with (B)",
            options,
            key="canary-b",
            on_change=lambda: place.go(b=str(st.session_state["canary-b"])),
            width=340,
        )
    )


def _forest(at: Place, b: str, whole: Row, tags: list[str]) -> None:
    """The difference over all items, and by tag where no tag is chosen."""
    wanted = [] if at.tag else tags[:MOST_TAGS]
    by_tag = {tag: ask("canary_comparison", canary=at.canary, a=at.deployment, b=b, tag=tag) for tag in wanted}
    data.prepare(by_tag.values())
    rows = {at.tag or "all items": whole} | {tag: data.records(data.load(one))[0] for tag, one in by_tag.items()}
    effects = [_effect(f"{name} (n {row['n_pairs']})", row) for name, row in rows.items() if row["n_pairs"]]
    told = ". ".join(paired.in_words(one) for one in effects)
    st.echarts_chart(
        differences_by_group(effects), height=70 + 26 * len(effects), key="forest", alt=f"B minus A by tag. {told}"
    )
    st.caption(
        "A dot is the difference in percentage points, the line its 95 % interval, which counts each item by "
        "itself, also where several share an image. Left of the dashed line A is better, right of it B. Tags are "
        "many looks at once: a single one that stands out may be chance."
    )


def _effect(name: str, row: Row) -> Effect:
    low, high = (float(row[end]) if words.known(row[end]) else None for end in ("difference_low", "difference_high"))
    return Effect(name, float(row["difference"]), low, high)


def _passes(row: Row) -> pd.DataFrame:
    both, only_a, only_b, none = (int(row[name]) for name in ("both_pass", "only_a", "only_b", "both_fail"))
    cells = [[both, only_a], [only_b, none]]
    return pd.DataFrame(cells, index=["A passes", "A fails"], columns=["B passes", "B fails"])


def _parted(rows: pd.DataFrame, a: str, b: str) -> None:
    if rows.empty:
        faces.nothing_yet("Both answer every item alike.", "parted")
        return
    raw = access.may("read_text")
    shown = pd.DataFrame(
        {
            "Better": ["A" if one == a else "B" if one == b else "" for one in rows["better"]],
            "Item": rows["item"],
            "A": [OUTCOMES[str(one)][0] for one in rows["outcome_a"]],
            "B": [OUTCOMES[str(one)][0] for one in rows["outcome_b"]],
            "Tags": [list(tags) if tags is not None else [] for tags in rows["tags"]],
        }
    )
    if raw:
        shown.insert(3, "A answers", rows["answer_a"])
        shown.insert(5, "B answers", rows["answer_b"])
    st.dataframe(
        shown,
        hide_index=True,
        key="parted-items",
        on_select="rerun",
        selection_mode="single-row",
        placeholder="",
        alt="Items that the two answer differently, those that only one passes first",
        column_config={
            "A answers": st.column_config.TextColumn(width="medium"),
            "B answers": st.column_config.TextColumn(width="medium"),
            "Tags": st.column_config.ListColumn(),
        },
    )
    selected: list[int] = st.session_state["parted-items"].selection.rows
    if selected and selected[0] < len(rows):
        _opened(data.records(rows)[selected[0]], raw)
    else:
        st.caption("Select an item to see both answers side by side.")


def _opened(row: Row, raw: bool) -> None:
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(f"**{text.plain(row['item'])}**")
        st.button(
            "Open the item",
            icon=":material/arrow_forward:",
            key="open-parted",
            type="tertiary",
            on_click=place.open_item,
            args=(str(row["item"]),),
        )
    if not raw:
        st.caption("Seeing what was answered needs the permission `read_text`.")
        return
    for name, column in zip(("a", "b"), st.columns(2), strict=True):
        with column:
            st.caption(f"{name.upper()}: {OUTCOMES[str(row[f'outcome_{name}'])][0].lower()}")
            st.code(str(row[f"answer_{name}"] or ""), language=None, wrap_lines=True)
    diff.draw_diff(str(row["answer_a"] or ""), str(row["answer_b"] or ""), ("A", "B"))
