"""The base of failures that an operator can act on."""


class OperatorError(Exception):
    """A failure that the operator can act on. The message is one line.

    The command ``hyperapi`` prints it instead of a traceback. The class is here, so that the
    command need not import all modules whose failures it prints.
    """
