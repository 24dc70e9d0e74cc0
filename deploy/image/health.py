"""Check whether this container's service is ready: ``python -IS health.py PORT [PATH]``, by default /readyz.

Exit code 0: ready; 1: not, with the reason on standard error. For engines without HTTP probes. Uses a bare socket and
plain arguments: it runs often, and imports cost most.
"""

import socket
import sys

HOST = "127.0.0.1"
TIMEOUT_S = 3.0


def request(port: int, path: str) -> tuple[bool, str]:
    """Return whether the response is a success, and its body."""
    try:
        with socket.create_connection((HOST, port), TIMEOUT_S) as connection:
            connection.settimeout(TIMEOUT_S)
            connection.sendall(f"GET {path} HTTP/1.1\r\nHost: {HOST}\r\nConnection: close\r\n\r\n".encode("ascii"))
            response = b"".join(iter(lambda: connection.recv(65_536), b""))
    except OSError as error:
        return False, f"no response: {error}"
    head, _, body = response.partition(b"\r\n\r\n")
    return head.split(b" ")[1:2] == [b"200"], body.decode("utf-8", "replace").strip()


def main(port: str, path: str = "/readyz") -> int:
    is_ready, text = request(int(port), path)
    sys.stderr.write(text + "\n")
    return 0 if is_ready else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
