"""A temporary server for tests in any language: ``hyperapi sandbox``. See ``docs/testing.md``."""
