"""The import arrows, read from the source: nobody imports against them."""

import ast
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
LEAVES = {"array_types", "inputs", "calling", "numerics", "filters", "chunking"}
LEAVES |= {"spectra"}
ARROWS = {
    "array_types": set(),
    "chunking": {"array_types"},
    "spectra": {"array_types"},
    "inputs": {"array_types"},
    "calling": {"inputs"},
    "numerics": {"array_types", "inputs"},
    "filters": {"array_types", "inputs"},
    "holes": set(),
    "writing": set(),
    "arrays": {"holes"},
    "methods": LEAVES,
    "metrics": LEAVES,
    "backbones": {"array_types", "inputs"},
    "data": {"array_types", "holes", "numerics"},
    "card_limits": set(),
    "cards": {"card_limits", "writing"},
    "runs": {"array_types", "cards", "data", "writing"},
    "own": {"array_types", "calling", "cards", "inputs", "runs"},
    "checkpoints": {"array_types", "arrays", "backbones", "cards", "own", "writing"},
    "networks": {"arrays", "cards", "checkpoints", "own"},
    "explain": {"array_types", "cards", "methods", "metrics", "runs"},
    "evaluation": {
        *LEAVES,
        "cards",
        "data",
        "explain",
        "methods",
        "metrics",
        "networks",
        "own",
        "runs",
        "writing",
    },
    "visualize": {
        "array_types",
        "data",
        "evaluation",
        "filters",
        "methods",
        "numerics",
        "writing",
    },
    "command_line": {"data"},
    "cli": {
        "array_types",
        "cards",
        "checkpoints",
        "backbones",
        "command_line",
        "data",
        "evaluation",
        "explain",
        "methods",
        "metrics",
        "networks",
        "own",
        "runs",
        "visualize",
        "writing",
    },
    "__main__": {"cli"},
    "__init__": set(),
}
"""What each room of `fxai_jax` imports of the others, in the order of CONTRIBUTING."""

CONVERSION = {
    "array_types",
    "backbones",
    "card_limits",
    "cards",
    "checkpoints",
    "command_line",
}
CONVERSION |= {"data", "holes", "runs", "writing"}

FOREIGN = {
    "array_types": {"jax", "jaxtyping", "numpy"},
    "chunking": {"jax", "jaxtyping", "numpy"},
    "spectra": {"jax", "jaxtyping", "numpy"},
    "inputs": {"jax", "jaxtyping", "numpy"},
    "calling": {"jax"},
    "numerics": {"jax", "jaxtyping", "numpy"},
    "filters": {"jax", "jaxtyping", "numpy"},
    "methods": {"jax", "jaxtyping", "lazy_loader", "numpy", "optax"},
    "metrics": {"jax", "jaxtyping", "numpy"},
}
"""What the rooms of pure functions use beside the standard library."""

LIBRARY = sorted(ROOT.glob("fxai_jax/**/*.py"))
CONVERTER = sorted(ROOT.glob("conversion/fxai_conversion/**/*.py"))
NAMED = {"ids": lambda path: str(path.relative_to(ROOT))}


def imported(source):
    """Dotted names that a module imports, anywhere in it, each as far as it is said."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"relative import of {node.module}"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def rooms(source):
    """Rooms of the library that a module imports; "*" where it imports the library."""
    names = [name.split(".") for name in imported(source)]
    return {(*name, "*")[1] for name in names if name[0] == "fxai_jax"}


def foreign(source):
    """Packages that a module imports, without the standard library and ours."""
    tops = {name.split(".")[0] for name in imported(source)}
    return tops - set(sys.stdlib_module_names) - {"fxai_jax", "fxai_conversion"}


def compiles(source):
    """Whether a module names `jit` or `pmap`."""
    names = {name.split(".")[-1] for name in imported(source)}
    tree = ast.parse(source)
    names |= {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    return bool(names & {"jit", "pmap"})


def room_of(path):
    return path.relative_to(ROOT / "fxai_jax").parts[0].removesuffix(".py")


def test_every_room_is_on_the_map():
    assert {room_of(path) for path in LIBRARY} == set(ARROWS)
    assert len(CONVERTER) > 20


@pytest.mark.parametrize("path", LIBRARY, **NAMED)
def test_a_room_imports_only_what_lies_below_it(path):
    room = room_of(path)
    assert rooms(path.read_text("utf-8")) - {room} <= ARROWS[room]


def test_the_arrows_have_no_circle():
    lower = set()
    for room, below in ARROWS.items():
        assert below <= lower, room
        lower.add(room)


@pytest.mark.parametrize("path", CONVERTER, **NAMED)
def test_the_converter_imports_only_what_networks_need(path):
    assert rooms(path.read_text("utf-8")) <= CONVERSION


@pytest.mark.parametrize("path", [*LIBRARY, *CONVERTER], **NAMED)
def test_nobody_imports_torch_and_the_library_never_the_converter(path):
    tops = {name.split(".")[0] for name in imported(path.read_text("utf-8"))}
    assert "torch" not in tops
    assert "fxai_conversion" not in tops or path in CONVERTER


@pytest.mark.parametrize("path", LIBRARY, **NAMED)
def test_methods_and_metrics_stand_on_jax_alone(path):
    room = room_of(path)
    if room in FOREIGN:
        assert foreign(path.read_text("utf-8")) <= FOREIGN[room]


@pytest.mark.parametrize("path", LIBRARY, **NAMED)
def test_only_figures_draw(path):
    source = path.read_text("utf-8")
    assert not any("pyplot" in name for name in imported(source))
    assert "matplotlib" not in foreign(source) or room_of(path) == "visualize"


@pytest.mark.parametrize("path", LIBRARY, **NAMED)
def test_only_the_engine_compiles(path):
    assert not compiles(path.read_text("utf-8")) or room_of(path) == "runs"


@pytest.mark.parametrize("path", LIBRARY, **NAMED)
def test_nothing_is_printed_below_the_command_line(path):
    if room_of(path) not in ("cli", "command_line"):
        calls = [
            node.func.id
            for node in ast.walk(ast.parse(path.read_text("utf-8")))
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
        ]
        assert "print" not in calls


def test_the_front_names_no_room():
    source = (ROOT / "fxai_jax/__init__.py").read_text("utf-8")
    assert [*imported(source)] == ["lazy_loader"]


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("from fxai_jax import fggb, cli", {"fggb", "cli"}),
        ("import fxai_jax", {"*"}),
        ("import fxai_jax.runs.running", {"runs"}),
        ("from fxai_jax.cli import evaluate", {"cli"}),
        ("def f():\n    from fxai_jax.data import pairs", {"data"}),
    ],
)
def test_every_way_to_import_a_room_is_seen(line, found):
    assert rooms(line) == found


@pytest.mark.parametrize(
    "line",
    [
        "from jax import jit",
        "import jax\njax.jit(abs)",
        "import jax\nf = jax.jit",
        "from jax import pmap as p",
    ],
)
def test_every_way_to_compile_is_seen(line):
    assert compiles(line)
