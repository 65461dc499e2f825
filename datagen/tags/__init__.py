"""What rows are about, in tags: read from a model's answer or from the words, and brought into one vocabulary."""
