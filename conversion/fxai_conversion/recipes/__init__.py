"""The published checkpoints: what they are called, hold, expect, and whose they are."""
