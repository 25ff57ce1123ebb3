"""Replicas of a segment's nodes, in one process: the one on port 8000 + N answers everything with N. With
`--same-port`, a single one on port 80. What is asked for at /after/N takes N seconds.
"""

import http.server
import sys
import threading
import time


class Answer(http.server.BaseHTTPRequestHandler):
    """Its own number, over connections that stay open."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """The number."""
        if self.path.startswith("/after/"):
            time.sleep(float(self.path.removeprefix("/after/")))
        body = ports[self.connection.getsockname()[1]].encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nothing."""


ports = {80: sys.argv[2]} if sys.argv[1] == "--same-port" else {8000 + int(number): number for number in sys.argv[1:]}


class Server(http.server.ThreadingHTTPServer):
    """With room for a crowd."""

    request_queue_size = 1024

    def handle_error(self, *_: object) -> None:
        """Who goes away is no fault of this one."""


servers = [Server(("0.0.0.0", port), Answer) for port in ports]
print("listening", flush=True)
for server in servers:
    threading.Thread(target=server.serve_forever).start()
