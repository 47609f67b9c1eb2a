"""Networks of one's own: as arguments of jit, looked over, imported by their name."""
