"""A local model behind a loopback endpoint."""
