"""Analyses that go beyond the leaderboard, one question a file."""
