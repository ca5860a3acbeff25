"""What tests of the storage share."""

from collections.abc import Iterator

import pytest

from tests import citus


@pytest.fixture(scope="module")
def cluster() -> Iterator[citus.Cluster]:
    """A cluster whose databases of these tests are dropped."""
    found = citus.cluster()
    yield found
    found.close()
