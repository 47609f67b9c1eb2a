"""The explanations, each a pure function of one example."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__, ("amva", "baselines", "fggb", "frequency", "plq", "quality")
)
