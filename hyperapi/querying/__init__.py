"""Asking for part of a collection."""
