"""S3 stub for proofs, as far as they need the protocol: it hangs, refuses or is full on request.

That the product speaks S3's protocol is proven by tests against moto, which cannot be made to fail so.
https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutObject.html and API_ListObjectsV2.html
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlsplit

from fsspec.implementations.local import LocalFileSystem

from configs.object_store import Blobs
from configs.proofs import NoProof, body_of, meta_of

_BUCKET = "proofs"
_EMPTY = '<?xml version="1.0"?><ListBucketResult><Name>proofs</Name><KeyCount>0</KeyCount></ListBucketResult>'
_ERROR = '<?xml version="1.0"?><Error><Code>{}</Code><Message>as the test wants it</Message></Error>'


class StoreMode(StrEnum):
    """How it answers. `hang`: not before the mode ends."""

    NORMAL = "normal"
    HANG = "hang"
    REFUSE = "refuse"
    FULL = "full"


_ANSWERS = {
    StoreMode.NORMAL: (HTTPStatus.OK, ""),
    StoreMode.REFUSE: (HTTPStatus.FORBIDDEN, "AccessDenied"),
    StoreMode.FULL: (HTTPStatus.INSUFFICIENT_STORAGE, "InsufficientStorage"),
}


class S3Stub:
    """Listens on loopback, on threads of its own, until this process ends; what it is given lies in a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._mode = StoreMode.NORMAL
        self._changed = threading.Condition()
        self.asked = 0  # since the mode changed
        handler = type("Handler", (_Handler,), {"store": self})
        server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.environment = {
            "PROOFS_URL": f"s3://{_BUCKET}?endpoint=http://127.0.0.1:{server.server_address[1]}&region=eu-west-3",
            "PROOFS_ACCESS_KEY_ID": "chaos",
            "PROOFS_SECRET_ACCESS_KEY": "chaos-secret",
        }
        threading.Thread(target=server.serve_forever, name="store", daemon=True).start()

    @contextmanager
    def answering(self, mode: StoreMode) -> Iterator[None]:
        """Answer so for as long as the block lasts."""
        self._set(mode)
        try:
            yield
        finally:
            self._set(StoreMode.NORMAL)

    def holds(self, key: str) -> bool:
        """Whether a proof is here: its page as it was fetched, or why that may not be kept."""
        blobs = Blobs(LocalFileSystem(), str(self._folder / _BUCKET))
        try:
            meta = meta_of(blobs, key)
            return bool(meta.refused) or body_of(blobs, meta) is not None
        except NoProof:
            return False

    def wait_for_answer(self) -> tuple[HTTPStatus, str]:
        """Return the status and code of an answer. One that hangs comes back when the mode has changed."""
        with self._changed:
            self.asked += 1
            self._changed.wait_for(lambda: self._mode is not StoreMode.HANG)
            return _ANSWERS[self._mode]

    def keep(self, path: str, body: bytes) -> None:
        """Keep an object, whole or not at all; OSError: the disk does not take it."""
        target = self._folder.joinpath(*path.strip("/").split("/"))
        target.parent.mkdir(parents=True, exist_ok=True)
        part = target.with_name(f"{target.name}.{threading.get_ident()}")
        part.write_bytes(body)
        part.replace(target)

    def _set(self, mode: StoreMode) -> None:
        with self._changed:
            self._mode, self.asked = mode, 0
            self._changed.notify_all()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    store: S3Stub

    def do_PUT(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        answer = self.store.wait_for_answer()
        if answer[0] is HTTPStatus.OK:
            try:
                self.store.keep(unquote(urlsplit(self.path).path), body)
            except OSError:
                answer = _ANSWERS[StoreMode.FULL]
        self._send("", *answer)

    def do_GET(self) -> None:
        """Answer the listing that the cleaner of old objects asks for: none."""
        self._send(_EMPTY, *self.store.wait_for_answer())

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def _send(self, text: str, status: HTTPStatus, code: str) -> None:
        said = (_ERROR.format(code) if code else text).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(said)))
        self.send_header("Content-Type", "application/xml")
        self.end_headers()
        self.wfile.write(said)
