"""What the documentation says is run: docstring examples and the README's Python."""

import doctest
import importlib
import pkgutil
import re
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import fxai_conversion
import fxai_jax
from fxai_jax.cards import load_card
from fxai_jax.checkpoints import load_backbone
from fxai_jax.data.samples import sample_face, sample_path

ROOT = Path(__file__).parent.parent
NAMES = {
    "jax": jax,
    "jnp": jnp,
    "np": np,
    "load_backbone": load_backbone,
    "load_card": load_card,
    "sample_face": sample_face,
    "sample_path": sample_path,
}
# Their examples explain a face with the shipped network.
SLOW_ROOMS = tuple(f"fxai_jax.{room}." for room in ("methods", "explain", "visualize"))
SLOW = {"fxai_jax", "fxai_jax.checkpoints", "fxai_conversion.verifying"}


def examples(name):
    """The examples of one module, with the names that all of them may use."""
    module = importlib.import_module(name)
    finder = doctest.DocTestFinder(exclude_empty=True)
    return [test for test in finder.find(module, extraglobs=NAMES) if test.examples]


def modules(package):
    found = pkgutil.walk_packages(package.__path__, f"{package.__name__}.")
    return [info.name for info in found if not info.name.endswith("__main__")]


def is_slow(name):
    return name in SLOW or name.startswith(SLOW_ROOMS)


MODULES = ["fxai_jax", *modules(fxai_jax), *modules(fxai_conversion)]
WITH_EXAMPLES = [
    pytest.param(name, marks=pytest.mark.slow if is_slow(name) else ())
    for name in MODULES
    if examples(name)
]


@pytest.mark.parametrize("name", WITH_EXAMPLES)
def test_the_examples_of_a_module_are_true(name):
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS)
    said = []
    for test in examples(name):
        runner.run(test, out=said.append)
    results = runner.summarize(verbose=False)
    assert results.attempted > 0
    assert results.failed == 0, "".join(said)


@pytest.mark.parametrize("name", MODULES)
def test_no_example_is_skipped(name):
    for test in examples(name):
        for example in test.examples:
            assert not example.options, f"{test.name}: {example.source}"


@pytest.mark.slow
def test_the_python_of_the_readme_runs():
    text = (ROOT / "README.md").read_text("utf-8")
    code = "\n".join(re.findall(r"```python\n(.*?)```", text, re.DOTALL))
    # The text shards these over all devices, which their number must divide.
    faces = np.stack([sample_face(name) for name in ("a_1", "a_2", "b_1", "c_1")])
    scope = {"probes": faces, "galleries": faces[::-1]}
    exec(compile(code, "README.md", "exec"), scope)
    assert scope["result"].similarity.shape == (112, 112)
    assert scope["results"].signed.shape == (4, 112, 112)
    assert scope["quality"].map.shape == (112, 112)
    assert scope["attention"].shape == (7, 7)
    assert scope["influence"].directed.shape == (15,)


def test_the_links_of_the_readme_lead_somewhere():
    text = (ROOT / "README.md").read_text("utf-8")
    links = re.findall(r"\]\((?!http)([^)]*)\)", text)
    assert len(links) >= 5
    missing = [link for link in links if not (ROOT / link).exists()]
    assert not missing
