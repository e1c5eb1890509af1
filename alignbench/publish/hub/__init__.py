"""The Hub: who is asking, what is there, the one commit."""
