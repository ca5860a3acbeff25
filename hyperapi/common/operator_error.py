"""The base of failures that an operator can act on."""

import traceback


class OperatorError(Exception):
    """A failure that the operator can act on. The message is one line.

    The command ``hyperapi`` prints it instead of a traceback. The class is here, so that the
    command need not import all modules whose failures it prints.
    """


def describe(error: BaseException) -> str:
    """Return one line about an error in code that is not ours: where it was raised, and why."""
    frames = traceback.extract_tb(error.__traceback__)
    where = f" ({frames[-1].filename}:{frames[-1].lineno})" if frames else ""
    return f"{type(error).__name__}: {' '.join(str(error).split())}{where}"
