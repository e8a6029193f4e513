"""Another host, for what a page takes from elsewhere: any origin may read it, in ranges too."""

import contextlib
import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

RANGE = re.compile(r"bytes=(\d+)-(\d+)$")


class ForeignHost:
    """Serves `files` by path, and notes in `asked` what was asked for."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.files: dict[str, bytes] = {}
        self.asked: list[str] = []

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        self.asked.append(request.path)
        content = self.files.get(request.path)
        status, headers = (404, {}) if content is None else (200, {})
        content = content or b""
        if asked := RANGE.match(request.headers.get("Range", "")):
            start, end = int(asked[1]), min(int(asked[2]), len(content) - 1)
            status, headers = 206, {"Content-Range": f"bytes {start}-{end}/{len(content)}"}
            content = content[start : end + 1]
        request.send_response(status)
        said = {
            "Access-Control-Allow-Origin": "*",
            "Content-Length": str(len(content)),
            "ETag": '"1"',
            **headers,
        }
        for name, value in said.items():
            request.send_header(name, value)
        request.end_headers()
        request.wfile.write(content)


@contextlib.contextmanager
def foreign_host() -> Iterator[ForeignHost]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found.answer(self)

        def log_message(self, *_said: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        found = ForeignHost(server.server_port)
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield found
        server.shutdown()
        thread.join()
