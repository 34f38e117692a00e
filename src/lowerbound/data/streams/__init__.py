"""Data larger than memory: an array in files, read block by block, and folders of shards that are made of other data."""
