"""Real receivers of alerts on loopback: a webhook (HTTP) and a mail server (SMTP) that can be away and come back."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from email import message_from_bytes
from email.message import Message as Mail
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

PASSWORD = "s3cret-Passw0rd"
PATH = "hook-t0ken"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Webhook:
    """An HTTP server that records what is posted; ``status`` is its response, and ``hold`` blocks it."""

    def __init__(self) -> None:
        self.port = free_port()
        self.status = 200
        self.requests = 0
        self.received: list[dict[str, Any]] = []
        self.hold = threading.Event()
        self.hold.set()
        self._server: ThreadingHTTPServer | None = None

    @property
    def url(self) -> str:
        return f"json://operator:{PASSWORD}@127.0.0.1:{self.port}/{PATH}"

    @property
    def titles(self) -> list[str]:
        return [each["title"] for each in self.received]

    def start(self) -> Webhook:
        owner = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                owner.requests += 1
                owner.hold.wait(10)
                if owner.status == 200:
                    owner.received.append(json.loads(body))
                self.send_response(owner.status)
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:
                """Print nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        return self

    def stop(self) -> None:
        """Refuse connections from now on."""
        self.hold.set()
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None


class MailServer:
    """An SMTP server that keeps the mails; ``refuse`` is the reply to a mail that it does not take."""

    def __init__(self) -> None:
        self.port = free_port()
        self.mails: list[Mail] = []
        self.refuse: str | None = None
        self._controller: Controller | None = None

    @property
    def url(self) -> str:
        return f"mailto://127.0.0.1:{self.port}/operator@example.org?mode=insecure&from=truebook@example.org"

    @property
    def subjects(self) -> list[str]:
        return [str(mail["Subject"]) for mail in self.mails]

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        if self.refuse is not None:
            return self.refuse
        assert isinstance(envelope.content, bytes)
        self.mails.append(message_from_bytes(envelope.content))
        return "250 OK"

    def start(self) -> MailServer:
        self._controller = Controller(self, hostname="127.0.0.1", port=self.port)
        self._controller.start()
        return self

    def stop(self) -> None:
        if self._controller is not None:
            self._controller.stop()
            self._controller = None


@contextmanager
def receivers() -> Iterator[tuple[Webhook, MailServer]]:
    """Run both until the end of the block."""
    webhook, mail = Webhook().start(), MailServer().start()
    try:
        yield webhook, mail
    finally:
        webhook.stop()
        mail.stop()


def text_of(mail: Mail) -> str:
    """The readable text of a mail."""
    decoded: Callable[[Mail], Any] = lambda part: part.get_payload(decode=True)  # noqa: E731
    parts = [decoded(part) for part in mail.walk() if not part.is_multipart()]
    return "\n".join(part.decode() for part in parts if isinstance(part, bytes))
