"""Whether an explanation is true: verification, faithfulness, quality curves."""
