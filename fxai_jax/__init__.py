"""Explains face recognition: pixels, quality, attention, frequencies."""
