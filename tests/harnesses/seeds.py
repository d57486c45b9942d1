"""One small healthy run of each harness, for tests that damage it."""

import io
from typing import Any

import openpyxl

from tests.harnesses.made import grey

_SHA = "0" * 64


def _xlsx(rows: list[list[Any]]) -> bytes:
    book = openpyxl.Workbook()
    sheet = book.worksheets[0]
    for row in rows:
        sheet.append(row)
    file = io.BytesIO()
    book.save(file)
    return file.getvalue()


_LM_RESULTS: dict[str, Any] = {
    "results": {"local_qa": {"alias": "local_qa", "exact_match,none": 0.5, "exact_match_stderr,none": 0.5}},
    "configs": {
        "local_qa": {
            "task": "local_qa",
            "dataset_path": "json",
            "test_split": "test",
            "metric_list": [{"metric": "exact_match", "aggregation": "mean", "higher_is_better": True}],
            "num_fewshot": 0,
        }
    },
    "versions": {"local_qa": 1.0},
    "n-shot": {"local_qa": 0},
    "higher_is_better": {"local_qa": {"exact_match": True}},
    "n-samples": {"local_qa": {"original": 2, "effective": 2}},
    "config": {"model": "hf", "model_args": "pretrained=org/m", "limit": None, "gen_kwargs": None},
    "date": 1763642015.5,
    "lm_eval_version": "0.4.13",
    "task_hashes": {"local_qa": _SHA},
    "model_name": "org/m",
    "model_name_sanitized": "org__m",
    "total_evaluation_time_seconds": "1.5",
}


def _sample(index: int, **more: Any) -> dict[str, Any]:
    return {
        "doc_id": index,
        "doc": {"question": f"Q{index}", "answer": "yes"},
        "target": "yes",
        "arguments": {"gen_args_0": {"arg_0": f"Q{index}", "arg_1": {"until": []}}},
        "resps": [["yes"]],
        "filtered_resps": ["yes"],
        "filter": "none",
        "metrics": ["exact_match"],
        "doc_hash": f"{index:064d}",
        "prompt_hash": _SHA,
        "target_hash": _SHA,
        "exact_match": float(index),
    } | more


_LMMS_RESULTS = {name: value for name, value in _LM_RESULTS.items() if name != "lm_eval_version"} | {
    "lmms_eval_version": "0.7.0",
    "model_configs": {"model": "m"},
    "date": "20260806_101112",
}
_LIGHTEVAL: dict[str, Any] = {
    "config_general": {
        "lighteval_sha": "abc",
        "num_fewshot_seeds": 1,
        "max_samples": None,
        "start_time": 12.5,
        "end_time": 20.5,
        "total_evaluation_time_secondes": "8.0",
        "model_name": "org/m",
        "model_sha": "main",
    },
    "results": {"gsm8k|0": {"em": 0.5, "em_stderr": 0.1}, "all": {"em": 0.5, "em_stderr": 0.1}},
    "versions": {"gsm8k|0": 0},
    "config_tasks": {"gsm8k|0": {"metric": [{"metric_name": "em", "higher_is_better": True}], "name": "gsm8k"}},
    "summary_tasks": {},
    "summary_general": {},
}
_TRI = {
    "dataset": "gqa-slim",
    "n_examples": 2,
    "model": "m",
    "experiment_tags": {},
    "summary": {"accuracy": 50.0},
    "examples": {
        str(index): {
            "question_id": index,
            "question": "Is it red?",
            "model_output": "Yes.",
            "ground_truth_answer": ("no", "yes")[index],
        }
        for index in range(2)
    },
}
_ROBOPOINT = {
    "question_id": 0,
    "prompt": "Where?",
    "text": "[(0.5, 0.5), (0, 0, 1, 1)]",
    "answer_id": "a",
    "model_id": "m",
    "category": "c",
}
_DEPICT = {"id": "1", "text": "blur and noise", "output_id": [1], "prob": [0.5], "confidence": 0.75}
_DEPICT_TRUTH = {
    "id": "1",
    "image_ref": None,
    "image_A": "a.png",
    "image_B": None,
    "task_type": "quality_single_A",
    "query": "What?",
    "answer": "blur and rain",
}
_CARD = """---
model-index:
- name: m
  results:
  - task: {type: vqa}
    dataset: {name: MMMU, type: MMMU/MMMU, split: val}
    metrics:
    - {type: accuracy, value: 42.0}
    source: {name: card, url: https://example.org}
---
# m
"""
_STATUS: dict[str, Any] = {
    "schema_version": "1.0",
    "eval_id": "T20260815-101500",
    "created_at": "2026-08-15T10:15:00+08:00",
    "model_name": "m",
    "commit": "e8e78f05",
    "datasets": {
        "MMStar": {
            "status": "done",
            "prediction_file": "outputs/m/T20260815-101500/m_MMStar.xlsx",
            "judge_model": "exact_matching",
            "primary_metric": "Overall",
            "metrics": {"split=none|Overall": 0.5},
            "updated_at": "2026-08-15T10:20:00+08:00",
        },
        "DocVQA_TEST": {"status": "done", "skip_reason": "test_split_without_ground_truth"},
    },
}
_MCQ = ["index", "question", "A", "B", "answer", "category", "prediction"]
_ROWS = [[1, "Which?", "x", "y", "A", "c", "A"], [2, "Who?", "x", "y", "B", "c", "A"]]

SEEDS: dict[str, dict[str, Any]] = {
    "vlmevalkit": {
        "m/T20260815-101500/status.json": _STATUS,
        "m/T20260815-101500/m_MMStar.xlsx": _xlsx([_MCQ, *_ROWS]),
        "m/T20260815-101500/m_MMStar_exact_matching_result.xlsx": _xlsx(
            [[*_MCQ, "hit", "log"], *([*row, 1 - at, "ok"] for at, row in enumerate(_ROWS))]
        ),
        "m/T20260815-101500/m_MMStar_acc.csv": '"split","Overall","c"\n"none","0.5","0.5"\n',
    },
    "lmms-eval": {
        "org__m/20260806_101112_results.json": _LMMS_RESULTS,
        "org__m/20260806_101112_samples_local_qa.jsonl": [
            {"doc_id": at, "input": "Q", "target": "yes", "filtered_resps": "yes", "doc_hash": f"{at:064d}"}
            | {"exact_match": float(at)}
            for at in range(2)
        ],
    },
    "lm-eval": {
        "org__m/results_2026-11-20T12-53-35.621212.json": _LM_RESULTS,
        "org__m/samples_local_qa_2026-11-20T12-53-35.621212.jsonl": [_sample(0), _sample(1)],
    },
    "lighteval": {"out/results/org/m/results_2026-05-05T10-11-12.123456.json": _LIGHTEVAL},
    "tri-vlm": {"results/gqa/gqa-slim/m/metrics.json": _TRI},
    "robopoint": {
        "output/m.jsonl": [_ROBOPOINT],
        "where2place/point_questions.jsonl": [{"question_id": 0, "image": "0.jpg", "text": "Where?", "category": "p"}],
        "where2place/masks/00.jpg": grey([[0, 255], [255, 0]]),
    },
    "depictqa": {
        "DQ/answers/quality_single_A_x_md.json": [_DEPICT],
        "DQ/eval.jsonl": [{"index": 0, "id": "1", "answer_gt": "a", "answer_pred": "b", "content": "8", "score": 8.0}],
        "DQ/config.yaml": "infer:\n  temperature: 0.0\n",
        "truth.json": [_DEPICT_TRUTH],
    },
    "hf-cards": {
        "m/README.md": _CARD,
        "m/.eval_results/a.yaml": "- dataset: {id: MMMU/MMMU, task_id: val}\n  value: 42.0\n  date: 2025-02-20\n",
    },
    "plain": {
        "scores.csv": "benchmark,checkpoint,metric,value,scale,n,step\nx,m,acc,50,percent,10,1\n",
        "items.csv": "benchmark,checkpoint,item,score,question,target\nx,m,1,1,What?,a\nx,m,2,0.5,Who?,b\n",
    },
}
"""Files by harness and path, in the forms that `tree_of` takes."""
