"""Rows on disk: their schemas, shards, datasets and quotas."""
