"""``fxai-jax explain``: one module a method, each a command and what it writes."""
