"""Extensions that only the tests serve."""

from hyperapi.extension.extension import Extension
from tests.bound_resources import COMMENTS, LABELS
from tests.hidden_resource import NOTES

NOTES_EXTENSION = Extension(name="notes", resources=[NOTES])
BOUND_EXTENSION = Extension(name="bound", resources=[LABELS, COMMENTS], needs=["list"])
