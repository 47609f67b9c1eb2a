"""The import arrows, read from the source: nobody imports against them."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
LEAVES = {"fxai_jax.array_types", "fxai_jax.numerics", "fxai_jax.chunking"}
OUTSIDE = {"jax", "jaxtyping", "numpy"}
MODULES = sorted([*ROOT.glob("fxai_jax/**/*.py"), *ROOT.glob("conversion/**/*.py")])


def imports(path):
    """Modules that a file imports, anywhere in it."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} has a relative import"
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def ours(path):
    return {name for name in imports(path) if name.startswith("fxai_jax.")}


def foreign(path):
    tops = {name.split(".")[0] for name in imports(path)}
    return {top for top in tops if top not in _standard()} - {"fxai_jax", "conversion"}


def _standard():
    import sys

    return sys.stdlib_module_names


def module_files(pattern):
    return [path for path in ROOT.glob(pattern) if path.name != "__init__.py"]


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(ROOT)))
def test_nobody_imports_torch_and_the_library_never_imports_conversion(path):
    tops = {name.split(".")[0] for name in imports(path)}
    assert "torch" not in tops
    if path.is_relative_to(ROOT / "fxai_jax"):
        assert "conversion" not in tops


def test_methods_and_metrics_stand_on_the_leaves_alone():
    files = [
        *module_files("fxai_jax/methods/**/*.py"),
        *module_files("fxai_jax/metrics/**/*.py"),
    ]
    assert files
    for path in files:
        allowed = LEAVES | {"fxai_jax.methods.quality"}
        used = {name for name in ours(path) if (ROOT / _file(name)).exists()}
        assert used <= allowed, f"{path.name} imports {used - allowed}"
        assert foreign(path) <= OUTSIDE | {"optax"}, path.name


def test_leaves_import_no_room_of_the_library():
    for name in LEAVES | {"fxai_jax.sharding"}:
        used = {n for n in ours(ROOT / _file(name)) if (ROOT / _file(n)).exists()}
        assert used <= {"fxai_jax.array_types"}, name


def test_only_the_command_line_draws():
    drawing, commands = ROOT / "fxai_jax/visualize", ROOT / "fxai_jax/cli"
    for path in ROOT.glob("fxai_jax/**/*.py"):
        used = {*imports(path)}
        assert not any("pyplot" in name for name in used), path
        if not path.is_relative_to(drawing):
            assert "matplotlib" not in foreign(path), path
            if not path.is_relative_to(commands):
                assert not any("fxai_jax.visualize" in name for name in used), path
    assert (drawing / "pictures.py").exists()


def test_only_runners_compile():
    for path in module_files("fxai_jax/**/*.py"):
        compiled = [
            node
            for node in ast.walk(ast.parse(path.read_text("utf-8")))
            if isinstance(node, ast.Attribute) and node.attr == "jit"
        ]
        runner = path.is_relative_to(ROOT / "fxai_jax/runners")
        assert not compiled or runner, path.name


def _file(module):
    return module.replace(".", "/") + ".py"
