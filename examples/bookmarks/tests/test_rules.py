"""Every operation of the extension keeps the rules of the API."""

from hyperapi.testing.suite import TestRules

__all__ = ["TestRules"]
