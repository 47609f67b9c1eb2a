"""The engine: it compiles, batches, places, times, resumes and writes, for any method.

A method is a pure function of one example; here it meets devices, a matrix precision
and a folder, and each of them is written into the manifest. Nothing here knows a
method: what is run comes as a `running.Task`.
"""
