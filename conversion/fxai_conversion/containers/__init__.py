"""Files that PyTorch checkpoints come in: each opens into named views of bytes."""
