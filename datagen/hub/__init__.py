"""Handing a result on: what of a run goes to the Hugging Face hub, its card, and the upload."""
