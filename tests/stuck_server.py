"""The command ``hyperapi``, whose service has requests that get a worker stuck, for tests."""

import ctypes
import threading
from collections.abc import Iterable
from typing import Any

from flask import Flask

from hyperapi.ops import cli, serving

_application = serving.application


def application() -> Flask:
    """The application of a worker."""
    app = _application()
    served = app.wsgi_app

    def sticky(environ: Any, start_response: Any) -> Iterable[bytes]:
        if environ["PATH_INFO"] == "/hold-the-interpreter":
            ctypes.PyDLL(None).sleep(10_000)  # PyDLL does not release the interpreter's lock
        if environ["PATH_INFO"] == "/hold-a-thread":
            threading.Event().wait()
        return served(environ, start_response)

    app.wsgi_app = sticky  # type: ignore[method-assign]
    return app


serving.application = application

if __name__ == "__main__":
    cli.main()
