"""The drivers: the only place that compiles, batches, places, times and writes.

A method is a pure function of one example; here it meets a model, devices, a matrix
precision and a folder, and each of them is written into the manifest.
"""
