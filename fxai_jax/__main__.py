"""``python -m fxai_jax`` is the command ``fxai-jax``."""

from fxai_jax.cli import main

main()
