"""Sentence pairs to instructions: translation in many phrasings, with solved examples."""
