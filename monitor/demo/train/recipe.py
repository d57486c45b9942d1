"""How much of what: the two courses and the two sets of held-out questions."""

from monitor.demo.train.fit import Course, Stage
from monitor.demo.train.lessons import FewImages, Questions, Sight, Texts

VISION = Course(
    "vlm",
    "shapes-vlm",
    (
        Stage("sight", Sight, steps=200, rate=2.2e-3, last_rate=2e-4, warm_up=20),
        Stage("questions", Questions, 900, 2.2e-3, 7e-5, warm_up=40, saved=(150, 300, 450, 600, 900)),
        Stage("tune-48-images", FewImages, 120, 1.5e-3, 1.5e-3, saved=(1020,)),
    ),
)
TEXT = Course(
    "lm",
    "shapes-lm",
    (Stage("texts", Texts, 400, 2.2e-3, 7e-5, warm_up=40, saved=(200, 400)),),
)
COURSES = (VISION, TEXT)

CHOOSING_SEED, CHOOSING_N = 1_000_003, 60
"""Held-out questions of each kind that say which checkpoint is the best and whether the gates are passed."""

PUBLISHED_SEED, PUBLISHED_N = 2_000_003, 120
"""Other held-out questions, whose figures stand in the model cards. They guided neither the recipe nor the choice."""
