"""What an endpoint can do, probed."""
