"""A server that records the connection of each request, over TCP or TLS."""

from __future__ import annotations

import json
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import trustme


@dataclass
class CountedServer:
    """`seen` has a list of paths for each connection, in the order in which they were opened."""

    url: str = ""
    certificates: Path | None = None
    seen: list[list[str]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)


@contextmanager
def counted_server(tls_folder: Path | None = None) -> Iterator[CountedServer]:
    """Run the server during the block, over TLS if a folder for its certificate is given."""
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
        authority = trustme.CA()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert("localhost", "127.0.0.1").configure_cert(context)
        server.socket = context.wrap_socket(server.socket, server_side=True)
        counted.certificates = tls_folder / "certificates.pem"
        authority.cert_pem.write_to_path(counted.certificates)
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
