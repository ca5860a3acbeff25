"""The site of ``deploy/nginx``, served by Debian's nginx on ports of this run's own."""

import os
import shutil
import socket
import ssl
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.serving import PATIENCE, free_port

SITE = Path(__file__).parent.parent / "deploy" / "nginx" / "hyperapi.conf"
NAME = "localhost"
"""The public name: one that every machine knows."""


class Server:
    """nginx, with a certificate that nobody else trusts.

    :param nodes: the ports of the nodes that it stands before.
    """

    def __init__(self, program: str, folder: Path, nodes: Sequence[int]) -> None:
        self.folder = folder
        self.plain_port, self.port = free_port(), free_port()
        self.certificate = folder / "fullchain.pem"
        self._program = program
        self.process: subprocess.Popen[bytes] | None = None
        _certify(folder)
        (folder / "site.conf").write_text(self._adapted(SITE.read_text(), nodes))
        (folder / "nginx.conf").write_text(_around(folder))

    @property
    def url(self) -> str:
        """As clients know the service."""
        return f"https://{NAME}:{self.port}"

    @property
    def trust(self) -> ssl.SSLContext:
        """What clients need to believe it."""
        return ssl.create_default_context(cafile=str(self.certificate))

    def examine(self) -> str:
        """What nginx says of the site; it must be good."""
        ran = subprocess.run(
            [*self._command, "-t"], capture_output=True, text=True, check=False, timeout=PATIENCE
        )
        assert ran.returncode == 0, ran.stderr
        return ran.stderr

    def start(self) -> None:
        """Start it, and return when it takes connections."""
        with (self.folder / "log").open("wb") as log:
            self.process = subprocess.Popen(
                self._command, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return
            except OSError:
                said = (self.folder / "log").read_text()
                assert self.process.poll() is None, said
                assert time.monotonic() < deadline, said
                time.sleep(0.02)

    def stop(self) -> None:
        """Stop it."""
        if self.process is not None:
            self.process.terminate()
            self.process.wait(PATIENCE)
            self.process = None

    @property
    def _command(self) -> list[str]:
        return [self._program, "-p", str(self.folder), "-c", str(self.folder / "nginx.conf")]

    def _adapted(self, site: str, nodes: Sequence[int]) -> str:
        """The site with other ports, name and certificate, and on the loopback address alone."""
        for number, node in enumerate(nodes, start=1):
            site = _replaced(site, f"127.0.0.1:500{number} ", f"127.0.0.1:{node} ")
        site = _replaced(site, "todo.example.org", NAME)
        site = _replaced(site, "/etc/ssl/hyperapi/", f"{self.folder}/")
        for wanted, port in (("80", self.plain_port), ("443", self.port)):
            site = _replaced(site, f"listen {wanted}", f"listen 127.0.0.1:{port}")
            other = f"listen [::1]:{port}" if _has_ipv6() else f"# listen [::1]:{port}"
            site = _replaced(site, f"listen [::]:{wanted}", other)
        return site


@contextmanager
def server(folder: Path, nodes: Sequence[int]) -> Iterator[Server]:
    """nginx before some nodes, while this lasts."""
    made = Server(program(), folder, nodes)
    made.start()
    try:
        yield made
    finally:
        made.stop()


def program() -> str:
    """The program, which CI must have; elsewhere a loud word where it is missing."""
    path = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin"])  # not everybody's PATH has it
    found = shutil.which("nginx", path=path)
    if found is None:
        assert not os.environ.get("CI"), "nginx is missing, and the site must be tried here"
        pytest.skip("nginx is missing: NODES BEHIND A PROXY WERE NOT TRIED")
    return found


def _replaced(site: str, old: str, new: str) -> str:
    assert old in site, f"the site has no {old} any more"
    return site.replace(old, new)


def _around(folder: Path) -> str:
    """What Debian puts around a site, with everything that is written kept in a folder."""
    places = "\n".join(
        f"    {kind}_temp_path {folder}/{kind};"
        for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    return f"""
{"user root;" if os.geteuid() == 0 else ""}
daemon off;
pid {folder}/nginx.pid;
error_log stderr warn;
events {{}}
http {{
    access_log off;
{places}
    include {folder}/site.conf;
}}
"""


def _certify(folder: Path) -> None:
    """Make a key, and a certificate for the public name."""
    made = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
    made += ["-nodes", "-days", "2"]
    named = ["-subj", f"/CN={NAME}", "-addext", f"subjectAltName=DNS:{NAME}"]
    kept = ["-keyout", str(folder / "privkey.pem"), "-out", str(folder / "fullchain.pem")]
    subprocess.run(["openssl", *made, *named, *kept], check=True, capture_output=True)


def _has_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6) as asked:
            asked.bind(("::1", 0))
            return True
    except OSError:
        return False
