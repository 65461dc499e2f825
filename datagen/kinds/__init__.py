"""The kinds of steps that are no curation stages, one file each, found by its name: options and what a step says of itself."""
