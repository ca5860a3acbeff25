"""Helpers for every other package: clock, ids, text, private files, processes, secret keys."""
