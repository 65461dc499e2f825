"""A model's words, read: tasks, scores, preferences, final answers, tags. Pure."""
