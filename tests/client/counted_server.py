"""A server that records on which connection each request came, over TCP or TLS."""

from __future__ import annotations

import json
import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

_SUBJECT = "/CN=localhost"
_NAMES = "subjectAltName=DNS:localhost,IP:127.0.0.1"


@dataclass
class CountedServer:
    """`seen` has a list of paths for each connection, in the order in which they were opened."""

    url: str = ""
    certificates: Path | None = None
    seen: list[list[str]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)


def make_certificate(folder: Path) -> tuple[Path, Path]:
    """A certificate of localhost, good for a day, and its key."""
    certificate, key = folder / "certificate.pem", folder / "key.pem"
    made = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    files = ["-keyout", str(key), "-out", str(certificate), "-days", "1", "-subj", _SUBJECT, "-addext", _NAMES]
    subprocess.run([*made, *files], check=True, capture_output=True)
    return certificate, key


@contextmanager
def counted_server(tls_folder: Path | None = None) -> Iterator[CountedServer]:
    """The server for the time of the block; over TLS if there is a folder for its certificate."""
    counted = CountedServer()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1
        disable_nagle_algorithm = True

        def setup(self) -> None:
            super().setup()
            self.paths: list[str] = []
            counted.seen.append(self.paths)

        def do_GET(self) -> None:
            self.paths.append(self.path)
            counted.headers.append({name.lower(): value for name, value in self.headers.items()})
            body = json.dumps({"status": "ok", "version": "1"}).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    scheme = "http"
    if tls_folder is not None:
        certificate, key = make_certificate(tls_folder)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        server.socket = context.wrap_socket(server.socket, server_side=True)
        counted.certificates = certificate
        scheme = "https"
    counted.url = f"{scheme}://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield counted
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
