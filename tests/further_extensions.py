"""Extensions that only the tests serve."""

from hyperapi.extension.extension import Extension
from tests.bound_resources import COMMENTS, LABELS
from tests.hidden_resource import NOTES
from tests.referring_resources import BOOKS, LOANS, SHELVES, STAMPS, TWIGS
from tests.scoped_resources import QUOTES, SECRETS

NOTES_EXTENSION = Extension(name="notes", resources=[NOTES])
BOUND_EXTENSION = Extension(name="bound", resources=[LABELS, COMMENTS], needs=["list"])
REFERRING_EXTENSION = Extension(name="referring", resources=[SHELVES, BOOKS, LOANS, STAMPS, TWIGS])
SCOPED_EXTENSION = Extension(name="scoped", resources=[QUOTES, SECRETS])
