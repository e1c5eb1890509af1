"""What publishing changes, and the history that tells it."""
