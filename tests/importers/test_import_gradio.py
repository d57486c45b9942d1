import base64
import csv
import io
import json
from pathlib import Path

from monitor.importers import open_import
from tests.importers.logs import PNG, SET, Write, events


def test_gradio_flags_are_feedback_and_class_cells_are_label_and_confidence(write: Write) -> None:
    out = io.StringIO(newline="")
    cell = json.dumps(
        {"label": "cat", "confidences": [{"label": "cat", "confidence": 0.7}, {"label": "dog", "confidence": 0.3}]}
    )
    rows = [
        ["'=1+1 ?", "4\nlines", cell, flag, "ann", "2026-11-20 13:14:47.87"] for flag in ("good", "Dislike", "odd", "")
    ]
    csv.writer(out).writerows([["Ask", "Reply", "Class", "flag", "username", "timestamp"], *rows])
    imported = open_import(write("dataset1.csv", out.getvalue()), constants=SET)
    found = events(imported)
    assert imported.importer == "gradio"
    assert [event.get("feedback") for event in found] == [1, -1, None, None]
    assert [event.get("attrs") for event in found] == [None, None, {"flag": "odd"}, None]
    assert (found[0]["input_text"], found[0]["output_text"]) == ("=1+1 ?", "4\nlines")
    assert (found[0]["label"], found[0]["confidence"], found[0]["user"]) == ("cat", 0.7, "ann")


def test_gradio_saved_pictures_are_hashed_and_no_other_file_is(tmp_path: Path, write: Write) -> None:
    saved = tmp_path / "Image" / "d57" / "px.png"
    saved.parent.mkdir(parents=True)
    saved.write_bytes(base64.b64decode(PNG))
    secret = tmp_path.parent / "secret.png"
    secret.write_bytes(b"secret")
    cells = [f"/srv/app/flagged/Image/d57/{name}" for name in ("px.png", "gone.png")] + [f"../../{secret.name}"]
    lines = [f"{cell},a cat,good,2026-11-20 13:14:47" for cell in cells]
    path = write("dataset1.csv", "\n".join(["Image,Caption,flag,timestamp", *lines]))
    found = events(open_import(path, constants=SET))
    assert [event.get("media", [{}])[0].get("width") for event in found] == [1, None, None]
    assert found[1]["attrs"] == {"files": {"Image": "gone.png"}}
    assert found[0]["output_text"] == "a cat"


def test_a_flagged_chat_answer_comes_with_its_question(write: Write) -> None:
    chat = [
        {"role": "user", "content": "q1"},
        {"role": "assistant", "content": "a1"},
        {"role": "user", "content": "q2"},
    ]
    out = io.StringIO(newline="")
    header = ["conversation", "index", "value", "flag", "timestamp"]
    csv.writer(out).writerows([header, [json.dumps(chat), "1", "a1", "Like", "2026-11-20 13:14:47"]])
    (event,) = events(open_import(write("log.csv", out.getvalue()), constants=SET))
    assert (event["input_text"], event["output_text"], event["feedback"]) == ("q1", "a1", 1)
