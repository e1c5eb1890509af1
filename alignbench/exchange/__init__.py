"""Formats of others, read into datasets."""
