"""Documents of any kind to self-contained passages, each with the id of its document and its span in it."""
