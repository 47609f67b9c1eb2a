"""What one example or one row of a run is, one module a method, and its notices."""
