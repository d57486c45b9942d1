import re
from datetime import UTC, datetime
from pathlib import Path

import pytest

from monitor.errors import BadInput
from monitor.harnesses import HARNESSES
from monitor.harnesses.plain import COLUMNS, HARNESS
from monitor.harnesses.plain_items import COLUMNS as ITEM_COLUMNS
from monitor.harnesses.plain_scores import COLUMNS as SCORE_COLUMNS
from tests.harnesses.made import all_of, evaluations, headline, only, tree_of

SCORES = """benchmark,checkpoint,metric,value,scale,category,n,stderr,step,date,harness,judge,remark
shapes,step-100,acc,40.5,percent,,200,3.5,100,2026-11-20T10:00:00+01:00,ours,gpt-4o,first
shapes,step-100,acc,38,percent,colour,100,,100,2026-11-20T10:00:00+01:00,ours,gpt-4o,
shapes,step-200,acc,0.61,1,,200,,200,2026-11-21,ours,gpt-4o,
shapes,step-200,loss,2.5,none,,,,200,2026-11-21,ours,gpt-4o,
"""
ITEMS = """benchmark;model;item;score;question;target;answer;group
shapes;m1;1;1;"How many
circles?";3;3;a.png
shapes;m1;2;0.25;Colour?;red;orange;a.png
shapes;m2;1;0;"How many
circles?";3;2;a.png
"""


def test_scores_are_taken_with_scale_n_error_step_time_and_protocol() -> None:
    first, second = evaluations(HARNESS, tree_of({"scores.csv": SCORES}))
    assert (first.benchmark, first.model, first.step) == ("shapes", "step-100", 100)
    assert first.at == datetime(2026, 11, 20, 9, tzinfo=UTC)
    assert first.protocol.known == {"harness": "ours", "judge": "gpt-4o"}
    assert [(s.value, s.most, s.category, s.n, s.stderr, s.headline) for s in first.scores] == [
        (40.5, 100.0, "", 200, 3.5, True),
        (38.0, 100.0, "colour", 100, None, False),
    ]
    assert [(s.metric, s.value, s.most) for s in second.scores] == [
        ("acc", 0.61, 1.0),
        ("loss", 2.5, None),
    ]
    assert second.notes == (
        "columns that are not known were left out: remark",
        "the date has no zone and was taken as UTC",
    )


def test_a_score_without_a_scale_is_kept_as_it_is_and_that_is_said() -> None:
    found = only(HARNESS, tree_of({"a.csv": "Benchmark,Model,Metric,Value\nx,m,acc,0.5\n"}))
    assert (headline(found).value, headline(found).most, found.protocol.harness) == (0.5, None, "plain")
    assert found.notes == ("acc: the file does not say the scale",)


def test_items_give_their_mean_and_have_the_same_hash_for_two_models() -> None:
    first, second = evaluations(HARNESS, tree_of({"items.csv": ITEMS}))
    assert (headline(first).value, headline(first).most, headline(first).n) == (0.625, 1.0, 2)
    assert first.items[0].question == "How many\ncircles?"
    assert first.items[0].item_hash == second.items[0].item_hash
    assert first.items[0].item_hash != first.items[1].item_hash
    assert {item.group for item in first.items} == {"a.png"}


def test_items_may_have_several_metrics_a_scale_and_a_direction() -> None:
    text = (
        "benchmark,checkpoint,item,metric,score,most,higher_is_better,category\n"
        "x,m,1,points,5,10,yes,a\nx,m,1,mistakes,1,4,no,a\nx,m,2,points,10,10,yes,b\n"
    )
    found = only(HARNESS, tree_of({"a.csv": text}))
    assert [item.scores for item in found.items] == [{"points": 0.5, "mistakes": 0.25}, {"points": 1.0}]
    assert [(s.metric, s.value, s.most, s.higher_is_better, s.n) for s in found.scores] == [
        ("points", 7.5, 10.0, True, 2),
        ("mistakes", 1.0, 4.0, False, 1),
    ]
    assert found.items[0].categories == ("category=a",)
    assert "items are told by their names alone: the file has neither question nor target" in found.notes


def test_all_bad_lines_are_named_and_nothing_is_taken() -> None:
    text = SCORES + (
        "shapes,step-300,acc,high,percent,,,,,,,,\n"
        ",step-300,acc,50,percent,,,,,,,,\n"
        "shapes,step-300,acc,150,percent,,0,-1,1.5,tomorrow,,,\n"
        "shapes,step-300,acc,50,percent\n"
        "shapes,step-400,acc,=1+1,percent,,,,,,,,\n"
        "shapes,step-500,acc,,%,,,,,,,,\n"
        "shapes,step-600,acc,5,per cent,,,,,,,,\n"
    )
    with pytest.raises(BadInput) as error:
        all_of(HARNESS, tree_of({"s.csv": text}))
    assert str(error.value).split("\n") == [
        "s.csv, line 6: value: 'high' is not a finite number",
        "s.csv, line 7: benchmark is missing",
        "s.csv, line 8: step is 1.5, allowed is a whole number",
        "s.csv, line 8: date is 'tomorrow', allowed is ISO 8601 such as 2026-11-20T13:14Z",
        "s.csv, line 8: value is 150, allowed is 0 to 100",
        "s.csv, line 8: n is 0, allowed is 1 to 1e+09",
        "s.csv, line 8: stderr is -1, allowed is at least 0",
        "s.csv, line 9: has 5 cells, the header has 13",
        "s.csv, line 10: value: '=1+1' is not a finite number",
        "s.csv, line 11: value is missing",
        "s.csv, line 12: scale: 'per cent' is not a finite number",
    ]


def test_a_line_is_that_on_which_its_record_begins() -> None:
    with pytest.raises(BadInput, match=r"^i.csv, line 5: score is 2, allowed is 0 to 1$"):
        all_of(HARNESS, tree_of({"i.csv": ITEMS.replace(";m2;1;0;", ";m2;1;2;")}))


@pytest.mark.parametrize(
    "text, message",
    [
        ("benchmark,model,metric,value\na,m,x,1\na,m,x,2\n", r"line 3: 'x' is given twice"),
        ("benchmark,model,item,score\na,m,1,1\na,m,1,0\n", r"line 3: item '1' has a 'score' in line 2 already"),
        (
            "benchmark,model,item,score,metric,target\na,m,1,1,x,red\na,m,1,0,y,blue\n",
            r"line 3: item '1' stands in line 2 with another text",
        ),
        (
            "benchmark,model,item,score,most\na,m,1,1,1\na,m,2,1,5\n",
            r"line 3: 'score' has another scale or direction here than above",
        ),
        ("benchmark,model,accuracy\na,m,1\n", r"needed are benchmark and checkpoint, and either metric and value"),
        ("benchmark,model,metric,value,value\n", r"two columns are called 'value'"),
        ("benchmark,model,metric,value\n", r"has a header and no rows"),
        ('benchmark,model,metric,value\na,m,x,"1', r"line 2: is damaged CSV: unexpected end of data"),
        ("benchmark,model,metric,value,most\na,m,x,-1,-5\n", r"most is -5, allowed is a number above 0"),
    ],
)
def test_what_cannot_be_meant_is_refused(text: str, message: str) -> None:
    with pytest.raises(BadInput, match=message):
        all_of(HARNESS, tree_of({"a.csv": text}))


def test_of_very_many_bad_lines_a_hundred_are_named() -> None:
    text = "benchmark,model,metric,value\n" + "a,m,x,?\n" * 150
    with pytest.raises(BadInput) as error:
        all_of(HARNESS, tree_of({"a.csv": text}))
    lines = str(error.value).split("\n")
    assert len(lines) == 101
    assert lines[100].startswith("a.csv: and ")


def test_what_windows_writes_is_read() -> None:
    for encoding in ("utf-8-sig", "utf-16"):
        content = SCORES.replace("\n", "\r\n").replace(",", "\t").encode(encoding)
        assert len(all_of(HARNESS, tree_of({"a.tsv": content}))) == 2, encoding


def test_a_table_of_anything_else_is_not_taken() -> None:
    assert all_of(HARNESS, tree_of({"a.csv": "split,Overall\nnone,0.5\n", "b.csv": "", "c.csv": b"\xff\xfe\x00"})) == []


def test_a_model_with_steps_is_a_checkpoint_for_each_step() -> None:
    text = "benchmark,model,step,metric,value,scale\nx,m,100,acc,40,%\nx,m,200,acc,50,%\n"
    found = evaluations(HARNESS, tree_of({"a.csv": text}))
    assert [(one.model, one.step) for one in found] == [
        ("m-step-100", 100),
        ("m-step-200", 200),
    ]


def test_a_checkpoint_of_two_steps_is_refused() -> None:
    text = "benchmark,checkpoint,step,metric,value\nx,m,100,acc,0.4\nx,m,200,acc,0.5\n"
    with pytest.raises(BadInput, match=r"line 3: 'm' is of another step here than above; name each checkpoint"):
        all_of(HARNESS, tree_of({"a.csv": text}))


def test_the_examples_of_the_manual_are_read() -> None:
    manual = (Path(__file__).parent.parent.parent / "docs" / "benchmarks-import.md").read_text()
    examples = re.findall(r"```csv\n(.*?)```", manual, re.DOTALL)
    found = [one for text in examples for one in evaluations(HARNESS, tree_of({"a.csv": text}))]
    assert [(one.model, headline(one).value) for one in found] == [
        ("shapes-600", 61.5),
        ("shapes-900", 58.0),
        ("shapes-600", 0.5),
        ("shapes-900", 1.0),
    ]


def test_the_manual_names_every_column_and_every_harness() -> None:
    manual = (Path(__file__).parent.parent.parent / "docs" / "benchmarks-import.md").read_text()
    names = {*COLUMNS, *SCORE_COLUMNS, *ITEM_COLUMNS, *HARNESSES}
    assert not [name for name in names if f"`{name}`" not in manual]
