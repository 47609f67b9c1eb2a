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

import fxai_jax
from fxai_jax.cards import load_card
from fxai_jax.checkpoints import load_backbone
from fxai_jax.data.faces import sample_face, sample_path

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
# Their examples explain a face with the shipped network, each operation compiled apart.
SLOW = {f"fxai_jax.methods.{name}" for name in ("amva", "frequency", "plq")}
MODULES = ["fxai_jax"] + [
    pytest.param(info.name, marks=pytest.mark.slow if info.name in SLOW else ())
    for info in pkgutil.walk_packages(fxai_jax.__path__, "fxai_jax.")
    if not info.name.endswith("__main__")
]


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_of_a_module_are_true(name):
    module = importlib.import_module(name)
    finder = doctest.DocTestFinder(exclude_empty=True)
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS)
    said = []
    for test in finder.find(module, extraglobs=NAMES):
        runner.run(test, out=said.append)
    assert runner.summarize(verbose=False).failed == 0, "".join(said)


@pytest.mark.slow
def test_the_python_of_the_readme_runs():
    text = (ROOT / "README.md").read_text("utf-8")
    code = "\n".join(re.findall(r"```python\n(.*?)```", text, re.DOTALL))
    faces = np.stack([sample_face(name) for name in ("a_1", "b_1")])
    scope = {"probes": faces, "galleries": faces[::-1]}
    exec(compile(code, "README.md", "exec"), scope)
    assert scope["result"].similarity.shape == (112, 112)
    assert scope["results"].signed.shape == (2, 112, 112)
    assert scope["quality"].map.shape == (112, 112)
    assert scope["attention"].shape == (7, 7)
    assert scope["influence"].directed.shape == (15,)


def test_the_links_of_the_readme_lead_somewhere():
    text = (ROOT / "README.md").read_text("utf-8")
    links = re.findall(r"\]\((?!http)([^)]*)\)", text)
    assert len(links) >= 5
    missing = [link for link in links if not (ROOT / link).exists()]
    assert not missing
