"""Seeded English-like texts: real prompts repeat words and seldom sentences, and compress accordingly."""

import random

STARTS = "b br c cl d dr f g gr h l m n p pl pr r s st t tr v w"
MIDDLES = "a e i o u ai ea ou io"
ENDS = "n r s t nd ng st l ck ment tion ly"
COMMON = (
    "the of and to in a is that for it as was with be by on not he his but at are this have from or had an they which "
    "one you were all her she there would their we him been has when who will no more if out so up said what its about "
    "than into them can only other time new some could these two may first then do any like my now over such our man"
)


def vocabulary(size: int = 4000, seed: int = 7) -> list[str]:
    """Words by falling frequency: the common ones, then made-up ones."""
    rng = random.Random(seed)
    parts = [STARTS.split(), MIDDLES.split(), ENDS.split()]
    made = ["".join(rng.choice(part) for part in parts * rng.randint(1, 3)) for _ in range(size)]
    return [*COMMON.split(), *made]


_WORDS: list[str] = []
_WEIGHTS: list[float] = []


def sentence(rng: random.Random, length: int) -> str:
    """About `length` characters of words with Zipf's frequencies."""
    if not _WORDS:
        _WORDS.extend(vocabulary())
        _WEIGHTS.extend(1 / (rank + 3) for rank in range(len(_WORDS)))
    return " ".join(rng.choices(_WORDS, _WEIGHTS, k=length // 5))[:length].rstrip().capitalize() + "."
