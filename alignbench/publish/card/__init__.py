"""Facts, and the card that tells them."""
