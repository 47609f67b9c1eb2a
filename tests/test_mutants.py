"""The table of `tests.mutants` fits the code that it changes."""

import pytest

from tests.mutants import MUTANTS, ROOT


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.what)
def test_an_edit_changes_one_place_and_names_its_test(mutant):
    assert (ROOT / mutant.file).read_text("utf-8").count(mutant.right) == 1
    assert mutant.wrong != mutant.right
    assert (ROOT / mutant.test).exists()
