"""Engines: where a function runs over shards. No stage knows which one."""
