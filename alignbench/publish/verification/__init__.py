"""Whether a published folder is what its data say."""
