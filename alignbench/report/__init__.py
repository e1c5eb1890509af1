"""What people read: results as tables."""
