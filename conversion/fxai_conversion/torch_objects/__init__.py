"""What lies in PyTorch's pickles: storages, tensors, and the trees that name them."""
