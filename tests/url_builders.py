"""What Werkzeug compiles to build URIs from its rules, compiled once for all applications of tests.

That is most of the work of making an application, and applications have the same rules. A builder
finds the converters of its rule when it is called.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from werkzeug.routing import Rule

Builder = Callable[..., tuple[str, str]]


@contextmanager
def shared() -> Iterator[None]:
    """Rules with the same text share their builders while this lasts."""
    compiled: dict[tuple[Any, ...], Builder] = {}
    compile_builder = Rule._compile_builder

    def shared_builder(self: Rule, append_unknown: bool = True) -> Builder:
        if self.defaults:
            return compile_builder(self, append_unknown)
        key = (self.rule, *self._trace, append_unknown)
        if key not in compiled:
            compiled[key] = compile_builder(self, append_unknown)
        return compiled[key]

    Rule._compile_builder = shared_builder  # type: ignore[method-assign]
    try:
        yield
    finally:
        Rule._compile_builder = compile_builder  # type: ignore[method-assign]
