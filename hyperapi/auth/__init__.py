"""Passwords, tokens, and who asks."""
