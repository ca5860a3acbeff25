"""The tests. Failures in the rules are explained like those in tests."""

import pytest

pytest.register_assert_rewrite("hyperapi.testing.rules")
