"""The conventions of public functions, enforced by looking at their signatures."""

import importlib
import inspect
import pkgutil
import typing

import pytest

import fxai_jax
import fxai_jax.methods
import fxai_jax.metrics

CALLABLES = ("embed", "model", "fun")
METHOD_PACKAGES = (fxai_jax.methods, fxai_jax.metrics)


def modules(package):
    return [
        importlib.import_module(info.name)
        for info in pkgutil.walk_packages(package.__path__, f"{package.__name__}.")
        if not info.ispkg and not info.name.endswith("__main__")
    ]


def public(module):
    return [
        (name, member)
        for name, member in vars(module).items()
        if not name.startswith("_")
        and inspect.isfunction(member)
        and member.__module__ == module.__name__
    ]


ALL = [(f"{m.__name__}.{n}", f) for m in modules(fxai_jax) for n, f in public(m)]
PURE = [
    (f"{m.__name__}.{n}", f)
    for package in METHOD_PACKAGES
    for m in modules(package)
    for n, f in public(m)
]


def ids(pairs):
    return [name for name, _ in pairs]


@pytest.mark.parametrize(("name", "function"), ALL, ids=ids(ALL))
def test_every_public_function_is_documented_and_annotated(name, function):
    doc = inspect.getdoc(function) or ""
    signature = inspect.signature(function)
    assert doc, f"{name} has no docstring"
    assert signature.return_annotation is not inspect.Signature.empty, name
    for parameter in signature.parameters.values():
        assert parameter.annotation is not inspect.Parameter.empty, (name, parameter)
        assert "Args:" in doc, f"{name} does not describe its arguments"
        assert f"{parameter.name}:" in doc, f"{name} does not describe {parameter}"


@pytest.mark.parametrize(("name", "function"), PURE, ids=ids(PURE))
def test_methods_keep_the_grammar(name, function):
    parameters = list(inspect.signature(function).parameters.values())
    positional = [p for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD]
    for parameter in positional:
        assert parameter.default is parameter.empty, f"{name}: {parameter} is an option"
        assert parameter.name not in ("rng", "seed", "threshold"), (name, parameter)
    kinds = [_rank(p) for p in positional]
    assert kinds == sorted(kinds), f"{name}: callables, then key, then arrays"
    assert all(p.kind is not p.VAR_KEYWORD for p in parameters), name


@pytest.mark.parametrize(("name", "function"), PURE, ids=ids(PURE))
def test_methods_carry_an_example(name, function):
    assert "Example:" in inspect.getdoc(function), name


def test_results_document_every_field():
    for package in METHOD_PACKAGES:
        for module in modules(package):
            source = inspect.getsource(module)
            for cls in vars(module).values():
                if not (inspect.isclass(cls) and issubclass(cls, tuple)):
                    continue
                if cls.__module__ != module.__name__:
                    continue
                for field in typing.get_type_hints(cls):
                    assert f"{field}: " in source
                    after = source.split(f"    {field}: ", 1)[1].split("\n", 2)[1]
                    assert after.strip().startswith('"""'), f"{cls}.{field}"


def _rank(parameter):
    if parameter.name in CALLABLES:
        return 0
    return 1 if parameter.name == "key" else 2
