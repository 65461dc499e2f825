"""Exact similarity kernels over flat arrays, compiled with numba."""
