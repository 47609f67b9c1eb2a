"""Evaluations of explanations and of networks over labelled pairs.

A protocol is a frozen dataclass of its parameters with pure functions beside it: what
is measured of one pair (`measure`), and what is made of all of them (rows, notes,
charts). `driver.evaluate` carries out any of them and returns a `report.Report`;
`registry` names what can be evaluated.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(__name__, ("protocols",))
