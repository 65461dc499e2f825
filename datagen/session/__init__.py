"""A person's conversation with models: each answers, streamed, and what was said becomes rows."""
