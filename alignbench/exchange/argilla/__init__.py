"""Records of Argilla: datasets that its `Dataset.from_disk` reads, and the records that come back."""
