"""Is a service of this container ready? ``python -IS health.py PORT [PATH]``; says why not on standard error.

For engines that know no HTTP probes. A bare socket, since importing an HTTP client costs more than the question.
"""

import socket
import sys

TIMEOUT_S = 3.0


def ask(port: int, path: str) -> tuple[bool, str]:
    """Tell whether the answer is a success, and what it says."""
    with socket.create_connection(("127.0.0.1", port), TIMEOUT_S) as connection:
        connection.settimeout(TIMEOUT_S)
        connection.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode("ascii"))
        answer = b"".join(iter(lambda: connection.recv(65_536), b""))
    head, _, body = answer.partition(b"\r\n\r\n")
    return head.split(b" ")[1:2] == [b"200"], body.decode("utf-8", "replace").strip()


def main() -> int:
    path = sys.argv[2] if len(sys.argv) > 2 else "/readyz"
    try:
        is_ready, text = ask(int(sys.argv[1]), path)
    except OSError as error:
        is_ready, text = False, f"no answer: {error}"
    sys.stderr.write(text + "\n")
    return 0 if is_ready else 1


if __name__ == "__main__":
    sys.exit(main())
