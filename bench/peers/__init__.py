"""What is measured: VModel (vmodel.py) and its peers, one module each.

A peer answers `densities(points)` (a list of (log density, gradient) at unconstrained points) and `time()` (nanoseconds a
gradient, the least of seven batches of at least 50 ms, at the points last given).
"""
