"""The explanations, each a pure function of one example."""
