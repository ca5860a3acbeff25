"""Benchmarks of hyperapi: ``python -m benchmarks``. README.md explains the results."""
