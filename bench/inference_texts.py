"""transformers' own continuous batching as a contestant. It takes token ids only: for models without images."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

from transformers import ContinuousBatchingConfig, GenerationConfig

from bench.inference_plain import Plain
from bench.inference_requests import Asked
from bench.inference_runs import Answered, Contestant

BATCH_TOKENS = 1024
PAGE, BLOCKS = 32, 256
ANSWER_WITHIN_S = 120


@contextmanager
def continuous(plain: Plain, rows: int, max_tokens: int) -> Iterator[Contestant]:
    """`generate_batch`'s manager, started once and kept: all requests at once, at most `rows` in a batch."""
    settings = GenerationConfig.from_dict(
        plain.model.generation_config.to_dict() | {"do_sample": False, "max_new_tokens": max_tokens}
    )
    paging = ContinuousBatchingConfig(
        num_blocks=BLOCKS, page_size=PAGE, max_batch_tokens=BATCH_TOKENS, max_requests_per_batch=rows
    )
    manager = plain.model.init_continuous_batching(generation_config=settings, continuous_batching_config=paging)
    manager.start()
    try:
        yield Contestant(f"transformers' continuous batching, {rows} rows", partial(_answer_all, plain, manager))
    finally:
        manager.stop(block=True, timeout=10)


def _answer_all(plain: Plain, manager: Any, asked: Sequence[Asked]) -> list[Answered]:
    began = time.perf_counter()
    names = []
    for one in asked:
        chat = [{"role": message.role, "content": message.text} for message in one.messages]
        ids = plain.read.apply_chat_template(chat, tokenize=True, add_generation_prompt=True, return_dict=True)
        names.append(
            manager.add_request(ids["input_ids"], max_new_tokens=one.settings.max_tokens, record_timestamps=True)
        )
    found: dict[str, Answered] = {}
    while len(found) < len(asked):
        result = manager.get_result(timeout=1)
        if result is None:
            if time.perf_counter() - began > ANSWER_WITHIN_S:
                raise RuntimeError(f"{len(asked) - len(found)} of {len(asked)} requests were not answered")
            continue
        if result.error:
            raise RuntimeError(result.error)
        now = time.perf_counter()
        text = plain.read.decode(result.generated_tokens, skip_special_tokens=True)
        found[result.request_id] = Answered(text, result.timestamps[0] - began, now - began)
    return [found[name] for name in names]
