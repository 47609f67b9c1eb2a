"""The conventions of public functions, enforced by looking at their signatures."""

import dataclasses
import importlib
import inspect
import pkgutil
import subprocess
import sys
import typing

import pytest

import fxai_conversion
import fxai_jax
import fxai_jax.methods
import fxai_jax.metrics

CALLABLES = ("embed", "model", "fun")
PURE_ROOMS = (fxai_jax.methods, fxai_jax.metrics)
LEAVES = tuple(f"fxai_jax.{x}" for x in ("chunking", "numerics", "filters", "spectra"))


def modules(package):
    return [
        importlib.import_module(info.name)
        for info in pkgutil.walk_packages(package.__path__, f"{package.__name__}.")
        if not info.ispkg and not info.name.endswith("__main__")
    ]


def public(module):
    return [
        (f"{module.__name__}.{name}", member)
        for name, member in vars(module).items()
        if not name.startswith("_")
        and inspect.isfunction(member)
        and member.__module__ == module.__name__
    ]


def names(pairs):
    return {"argnames": ("name", "function"), "ids": [name for name, _ in pairs]}


def functions_at(front):
    """The functions among the names that a front of the library gives away."""
    given = [
        (f"{front.__name__}.{name}", getattr(front, name)) for name in front.__all__
    ]
    return [(name, member) for name, member in given if inspect.isfunction(member)]


ALL = [pair for m in modules(fxai_jax) + modules(fxai_conversion) for pair in public(m)]
PURE = [pair for room in PURE_ROOMS for m in modules(room) for pair in public(m)]
EXPORTED = PURE + functions_at(fxai_jax) + functions_at(fxai_jax.visualize)
EXPORTED += [pair for leaf in LEAVES for pair in public(importlib.import_module(leaf))]


@pytest.mark.parametrize(argvalues=ALL, **names(ALL))
def test_every_public_function_is_documented_and_annotated(name, function):
    signature = inspect.signature(function)
    assert inspect.getdoc(function), f"{name} has no docstring"
    assert signature.return_annotation is not inspect.Signature.empty, name
    for parameter in signature.parameters.values():
        assert parameter.annotation is not inspect.Parameter.empty, (name, parameter)


@pytest.mark.parametrize(argvalues=EXPORTED, **names(EXPORTED))
def test_exported_functions_say_what_they_take_and_give(name, function):
    """Shapes, ranges, errors and an example; the others need a line."""
    doc = inspect.getdoc(function)
    signature = inspect.signature(function)
    for parameter in signature.parameters:
        assert f"{parameter}:" in doc.split("Args:")[1], f"{name}: {parameter}"
    returns = signature.return_annotation not in (None, "None")
    assert ("Returns:" in doc) == returns, name
    assert "Example:" in doc, name
    if "raise ValueError" in inspect.getsource(function):
        assert "Raises:" in doc, name


@pytest.mark.parametrize(argvalues=PURE, **names(PURE))
def test_methods_keep_the_grammar(name, function):
    parameters = list(inspect.signature(function).parameters.values())
    positional = [p for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD]
    for parameter in positional:
        assert parameter.default is parameter.empty, f"{name}: {parameter} is an option"
        assert parameter.name not in ("rng", "seed", "threshold"), (name, parameter)
    kinds = [_rank(p) for p in positional]
    assert kinds == sorted(kinds), f"{name}: callables, then key, then arrays"
    assert all(p.kind is not p.VAR_KEYWORD for p in parameters), name


def test_results_document_every_field():
    for room in PURE_ROOMS:
        for module in modules(room):
            source = inspect.getsource(module)
            for cls in vars(module).values():
                if not (inspect.isclass(cls) and issubclass(cls, tuple)):
                    continue
                if cls.__module__ != module.__name__ or cls.__name__.startswith("_"):
                    continue
                for field in typing.get_type_hints(cls):
                    assert f"{field}: " in source
                    after = source.split(f"    {field}: ", 1)[1].split("\n", 2)[1]
                    assert after.strip().startswith('"""'), f"{cls}.{field}"


def test_options_document_every_field():
    from fxai_jax.evaluation.protocols import PROTOCOLS

    for cls in (fxai_jax.RunOptions, *PROTOCOLS.values()):
        attributes = inspect.getdoc(cls).split("Attributes:")[1]
        for field in dataclasses.fields(cls):
            assert f"{field.name}:" in attributes, f"{cls}.{field.name}"


def test_every_name_of_the_library_is_there_at_once():
    """In a fresh process, where nothing has imported a room before."""
    lines = [f"print(fx.{name})" for name in reversed(fxai_jax.__all__)]
    code = "\n".join(["import fxai_jax as fx", *lines])
    printed = subprocess.check_output([sys.executable, "-c", code], text=True)
    assert len(printed.splitlines()) == len(fxai_jax.__all__)


def test_a_name_costs_nothing_before_it_is_used():
    heavy = ("jax", "flax", "orbax.checkpoint", "matplotlib", "optax", "scipy")
    code = f"import sys, fxai_jax; print([n for n in {heavy} if n in sys.modules])"
    printed = subprocess.check_output([sys.executable, "-c", code], text=True)
    assert printed.strip() == "[]"


def _rank(parameter):
    if parameter.name in CALLABLES:
        return 0
    return 1 if parameter.name == "key" else 2
