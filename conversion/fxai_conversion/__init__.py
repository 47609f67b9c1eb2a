"""PyTorch checkpoints to checkpoints of fxai_jax, without PyTorch."""
