"""Serve the app for an API, and run the API's command beside it if you name one.

python serve.py --port 5001 --root http://127.0.0.1:5000/api/v1/ -- hyperapi serve

Without --root the app uses the API that the settings of hyperapi describe: HYPERAPI_PUBLIC_URL, or
HYPERAPI_HOST and HYPERAPI_PORT, from the environment or the file .env of the working folder.
"""

import argparse
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from http import HTTPStatus
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from urllib.parse import urlsplit

HERE = Path(__file__).parent
PATIENCE = 10.0
HOME = "http://127.0.0.1/"
"""Where the browser returns to the app. On this address the port may differ (RFC 8252)."""
NEAR = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - not listened on

try:
    from hyperapi.settings import read_environment
except ImportError:  # hyperapi is not installed here, so no file .env of it counts

    def read_environment() -> dict[str, str]:
        """Where settings are looked for."""
        return dict(os.environ)


def root_of(settings: Mapping[str, str]) -> str:
    """The root of the API that runs with these settings."""
    public = settings.get("HYPERAPI_PUBLIC_URL", "").rstrip("/")
    host = settings.get("HYPERAPI_HOST") or "127.0.0.1"
    host = NEAR.get(host, host)
    port = settings.get("HYPERAPI_PORT") or "5000"
    if ":" in host:
        host = f"[{host}]"
    return f"{public or f'http://{host}:{port}'}/api/v1/"


def page(root: str, client: str = "") -> bytes:
    """The app's page, for the API at ``root``: its lines that name the API and the app say so.

    :param client: the client id of the app there; without one the app asks for passwords.
    """
    text = (HERE / "index.html").read_text()
    origin = "{0.scheme}://{0.netloc}".format(urlsplit(root))
    text = re.sub(r"connect-src [^;]*;", f"connect-src {origin};", text, count=1)
    text = re.sub(r'(name="hyperapi-client" content=")[^"]*', rf"\g<1>{client}", text, count=1)
    return re.sub(r'(name="hyperapi-root" content=")[^"]*', rf"\g<1>{root}", text, count=1).encode()


def registered(command: list[str]) -> str:
    """Register the app at the API that is about to run here, unless it is; return its client id.

    :param command: the API's own command, which also registers apps; empty when it runs elsewhere.
    """
    if not command or Path(command[0]).name != "hyperapi":
        return ""

    def run(*words: str) -> list[str]:
        done = subprocess.run(  # noqa: S603 - the caller's own
            [command[0], *words], check=True, stdout=subprocess.PIPE, text=True
        )
        return done.stdout.splitlines()

    try:
        run("upgrade")
        for line in run("clients", "list"):
            if line.endswith(f" {HOME}"):
                return line.split()[0]
        [client] = run("clients", "add", "To do", "--redirect-uri", HOME)
    except (OSError, subprocess.CalledProcessError):  # it says why, and so does the API
        return ""
    return client


class Handler(SimpleHTTPRequestHandler):
    """The app's files as they are, but for the page."""

    def __init__(self, *args: object, root: str, client: str, **more: object) -> None:
        self.root = root
        self.client = client
        super().__init__(*args, directory=str(HERE), **more)  # type: ignore[arg-type]

    def do_GET(self) -> None:
        """The page for this API, or a file."""
        if urlsplit(self.path).path not in ("/", "/index.html"):
            return super().do_GET()
        body = page(self.root, self.client)
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def end_headers(self) -> None:
        """What a page cannot say of itself; and no file is used before asking for a newer."""
        self.send_header("Cache-Control", "no-cache")
        self.send_header("Content-Security-Policy", "frame-ancestors 'none'")
        self.send_header("X-Content-Type-Options", "nosniff")
        super().end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Nothing: the API's log is what one wants to see."""


def serving(port: int, root: str, client: str = "") -> ThreadingHTTPServer:
    """A server of the app that is ready to run."""
    return ThreadingHTTPServer(("127.0.0.1", port), partial(Handler, root=root, client=client))


@contextmanager
def beside(command: list[str], ended: Callable[[], object]) -> Iterator[None]:
    """Run a command as long as the app is served, and no longer; tell when it ended by itself."""
    if not command:
        yield
        return
    # In a session of its own it hears of the end once, from here, and not from the terminal too.
    process = subprocess.Popen(command, start_new_session=True)  # noqa: S603 - the caller's own
    Thread(target=lambda: (process.wait(), ended()), daemon=True).start()
    try:
        yield
    finally:
        process.terminate()
        try:
            process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)


def main() -> None:
    """Serve until interrupted."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--port", type=int, default=5001)
    parser.add_argument(
        "--root",
        default=root_of(read_environment()),
        help="the root of the API (default, from the settings: %(default)s)",
    )
    parser.add_argument(
        "--client",
        default="",
        help="the client id of the app at the API (default: registered where the API runs here)",
    )
    parser.add_argument("command", nargs="*", metavar="-- COMMAND", help="what to run with it")
    asked = parser.parse_args()
    # Also where a shell had it ignored, and when its terminal is closed: the API ends with the app.
    for ending in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(ending, signal.default_int_handler)
    try:
        server = serving(asked.port, asked.root, asked.client or registered(asked.command))
    except OSError as error:
        sys.exit(
            f"The app cannot be served on port {asked.port}: {error.strerror}. "
            "Choose another one: --port 5002, or make spa ARGS='--port 5002'."
        )
    try:
        with server, beside(asked.command, server.shutdown):
            print(f"The app: http://127.0.0.1:{asked.port}/ for the API at {asked.root}")
            sys.stdout.flush()
            server.serve_forever()
            sys.exit("What ran with the app has ended, and so does the app.")
    except KeyboardInterrupt:
        print()


if __name__ == "__main__":
    main()
