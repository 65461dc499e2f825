"""What a model is worth on tasks: items of rows, how each is measured, and numbers with their intervals."""
