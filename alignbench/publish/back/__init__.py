"""The way back: a published folder becomes a dataset and runs again."""
