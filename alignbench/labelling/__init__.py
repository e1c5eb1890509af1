"""Labels by people: their history, what it comes to, and how far people agree."""
