"""The curation stages: one file = one stage = recipe name = command-line name = a row of docs/stages.md."""
