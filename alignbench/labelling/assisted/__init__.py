"""Judges help people: what they suggest, which labels they doubt, what corrections change."""
