"""Texts: tokens, scripts, languages."""
