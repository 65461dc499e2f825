"""Mixtures: how many rows of each source, and which."""
