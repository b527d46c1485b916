"""A store of any number of objects, of which there is nothing but the listing: as much of S3 as listing a bucket takes."""

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit
from xml.sax.saxutils import escape

PAGE = 1_000
HEAD = '<?xml version="1.0" encoding="UTF-8"?>\n<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'


class Store:
    """Serves the listing on a free port of the loopback interface while it is entered."""

    bucket = "scale"
    prefix = "archive/"

    def __init__(self, objects: int, folder: int):
        self.objects, self.folder = objects, folder
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), self.handler())
        self.server.daemon_threads = True

    def __enter__(self):
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()

    @property
    def environment(self) -> dict[str, str]:
        """What points a client at the store."""
        endpoint = f"http://127.0.0.1:{self.server.server_address[1]}"
        return {"AWS_ENDPOINT_URL": endpoint, "AWS_REGION": "us-east-1", "AWS_ACCESS_KEY_ID": "scale", "AWS_SECRET_ACCESS_KEY": "scale-secret"}

    def names(self, prefix: str, delimited: bool) -> tuple[list[str], bool]:
        """The names below `prefix` in their order, and whether they are folders."""
        folders = range(-(-self.objects // self.folder))
        if prefix == self.prefix and delimited:
            return [f"{self.prefix}study-{number:06d}/" for number in folders], True
        number = prefix.removeprefix(f"{self.prefix}study-").rstrip("/")
        if not number.isdecimal() or int(number) not in folders:
            return [], False
        size = min(self.folder, self.objects - int(number) * self.folder)
        return [f"{prefix}IM{index:06d}" for index in range(size)], False

    def page(self, query: dict[str, list[str]]) -> str:
        """The answer to one ListObjectsV2."""
        def one(name, default=""):
            return query.get(name, [default])[0]

        names, are_folders = self.names(one("prefix"), one("delimiter") == "/")
        after = one("continuation-token") or one("start-after")
        names = [name for name in names if name > after]
        size = min(int(one("max-keys", str(PAGE))), PAGE)
        page, more = names[:size], len(names) > size
        if are_folders:
            entries = [f"<CommonPrefixes><Prefix>{escape(name)}</Prefix></CommonPrefixes>" for name in page]
        else:
            entries = [
                f"<Contents><Key>{escape(name)}</Key><LastModified>2024-01-02T10:15:00.000Z</LastModified>"
                f'<ETag>"{hash(name) & (2**64 - 1):016x}"</ETag><Size>1000</Size><StorageClass>STANDARD</StorageClass></Contents>'
                for name in page
            ]
        token = f"<NextContinuationToken>{escape(page[-1])}</NextContinuationToken>" if more else ""
        told = f"<Name>{self.bucket}</Name><Prefix>{escape(one('prefix'))}</Prefix><KeyCount>{len(page)}</KeyCount>"
        return f"{HEAD}{told}<IsTruncated>{str(more).lower()}</IsTruncated>{token}{''.join(entries)}</ListBucketResult>"

    def handler(store):  # noqa: N805 - `self` is the handler's below
        """The class that answers requests."""

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                url = urlsplit(self.path)
                query = parse_qs(url.query, keep_blank_values=True)
                if url.path.strip("/") != store.bucket or "list-type" not in query:
                    return self.answer(404, b"")
                self.answer(200, store.page(query).encode())

            def do_HEAD(self):
                self.answer(404, b"")

            def answer(self, status: int, body: bytes):
                self.send_response(status)
                self.send_header("Content-Type", "application/xml")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        return Handler
