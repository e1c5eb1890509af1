"""The Hub folder: its files, its tables, how they are written."""
