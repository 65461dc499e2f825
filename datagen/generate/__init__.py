"""Generators: they make rows from seeds or documents by asking a model. They are not stages."""
