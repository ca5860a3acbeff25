"""The scopes of lists and tasks, for tests of the whole API, which name no resource."""

from hyperapi.resources.lists import READ, WRITE

__all__ = ["READ", "WRITE"]
