"""How much of what: the two courses and the two sets of held-out questions."""

from monitor.demo.train.fit import Course, Stage
from monitor.demo.train.lessons import FewImages, OneImage, Questions, Sight, Texts

VISION = Course(
    "vlm",
    "shapes-vlm",
    (
        Stage("sight", Sight, steps=200, rate=2.2e-3, last_rate=2e-4, warm_up=20),
        Stage("one-image", OneImage, 450, 2.2e-3, 1.4e-3, warm_up=40, saved=(150, 300, 450)),
        Stage("questions", Questions, 450, 1.4e-3, 7e-5, saved=(600, 900)),
        Stage("tune-48-images", FewImages, 120, 1.5e-3, 1.5e-3, saved=(1020,)),
    ),
)
TEXT = Course(
    "lm",
    "shapes-lm",
    (Stage("texts", Texts, 600, 3e-3, 7e-5, warm_up=40, saved=(300, 600)),),
)
COURSES = (VISION, TEXT)

CHOOSING_SEED, CHOOSING_N = 1_000_003, 40
"""Held-out questions of each kind that say which checkpoint is the best and whether the gates are passed."""

PUBLISHED_SEED, PUBLISHED_N = 3_000_003, 120
"""Other held-out questions, whose figures stand in the model cards. They guided neither the recipe nor the choice."""
