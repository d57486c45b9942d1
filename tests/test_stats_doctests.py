import doctest
import importlib
import pkgutil

import pytest

import monitor.stats

MODULES = [module.name for module in pkgutil.iter_modules(monitor.stats.__path__, "monitor.stats.")]


@pytest.mark.parametrize("name", MODULES)
def test_every_example_in_a_docstring_is_right(name: str) -> None:
    assert doctest.testmod(importlib.import_module(name)).failed == 0


def test_there_are_examples() -> None:
    finder = doctest.DocTestFinder()
    examples = [test for name in MODULES for test in finder.find(importlib.import_module(name)) if test.examples]
    assert len(examples) >= 20
