"""What protocols refuse when they are made, before any face is embedded."""

from collections.abc import Sequence

from fxai_jax.cards import check_threshold


def check_count(what: str, count: int | None, least: int = 1) -> None:
    """Refuses too few of something; None is the protocol's own number.

    Example:
        >>> check_count("steps", 0)
        Traceback (most recent call last):
        ValueError: expected at least 1 of the steps, got 0
    """
    if count is not None and count != int(count):
        raise ValueError(f"expected a whole number of the {what}, got {count}")
    if count is not None and count < least:
        raise ValueError(f"expected at least {least} of the {what}, got {count}")


def check_names(what: str, names: Sequence[str]) -> None:
    """Refuses one text in the place of several names: it would fall into letters.

    Example:
        >>> check_names("explainers", "fggb")
        Traceback (most recent call last):
        ValueError: expected a tuple of explainers such as ("fggb",), got 'fggb'
    """
    if isinstance(names, str):
        raise ValueError(
            f'expected a tuple of {what} such as ("{names}",), got {names!r}'
        )


def check_rate(what: str, rate: float | None) -> None:
    """Refuses what is no share of pairs."""
    if rate is not None and not 0 <= rate <= 1:
        raise ValueError(f"the {what} is in [0, 1], got {rate}")


def check_cosine(threshold: float | None) -> None:
    """Refuses a threshold that no pair could have; None is found on the list."""
    if threshold is not None:
        check_threshold(threshold)
