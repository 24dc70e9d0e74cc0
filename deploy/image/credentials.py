"""Create the secrets of a self-contained stack: the ledger's password, a key pair for the simulated exchange, a token.

``credentials.py volumes`` writes them to the volumes of docker compose; ``credentials.py cluster`` to Secrets of the
namespace in which it runs. Existing secrets are kept, so that it may run at every start. If the trader provides a key
(for the demo exchange), that one is passed on and no pair is created. The receivers of alerts are passed on as well;
without them their file is empty.
"""

from __future__ import annotations

import base64
import hashlib
import http.client
import json
import os
import secrets
import ssl
import sys
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

OWNER = 10001
"""The user of the image, who must read the secrets; Redis runs as the same user."""
GIVEN_KEY = Path("/run/secrets/exchange-key")
GIVEN_RECEIVERS = Path("/run/secrets/alert-receivers")
VOLUMES = Path("/volumes")
ACCOUNT_FOLDER = Path("/var/run/secrets/kubernetes.io/serviceaccount")

PRIVATE, PUBLIC, PASSWORD, ACL = "exchange-key.pem", "exchange-key.pub.pem", "redis-password", "users.acl"
TOKEN = "dashboard-token"
RECEIVERS = "receivers"


def new_password() -> str:
    return secrets.token_urlsafe(32)


def redis_acl(password: str) -> str:
    """Return Redis's users: the services (by password, on the ledger's keys), and `health`, which may only ping."""
    digest = hashlib.sha256(password.encode()).hexdigest()
    return (
        f"user default on sanitize-payload #{digest} ~truebook:* resetchannels "
        "+@all -@admin -@dangerous +info +config|get\n"
        "user health on nopass resetkeys resetchannels -@all +ping\n"
    )


def key_pair() -> tuple[str, str]:
    """Create an RSA pair (private, public) as PEM: the kind that Kalshi issues."""
    key = rsa.generate_private_key(public_exponent=65_537, key_size=2048)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return private.decode(), public_of(private.decode())


def public_of(private: str) -> str:
    """Return the public half; raise ``ValueError`` if the text is no unencrypted private key."""
    key = serialization.load_pem_private_key(private.encode(), password=None)
    return (
        key.public_key()
        .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
        .decode()
    )


def fill_volumes(
    root: Path, given_key: Path, given_receivers: Path = GIVEN_RECEIVERS, *, owner: int | None = OWNER
) -> None:
    """Fill the volumes, one per reader, and give every folder below ``root`` to the user that runs in the images."""
    given = given_key.read_text() if given_key.is_file() else ""
    private = given or _read(root / "key" / PRIVATE) or key_pair()[0]
    password = _read(root / "redis-password" / PASSWORD) or new_password()
    _write(root / "key" / PRIVATE, private, owner)
    _write(root / "public-key" / PUBLIC, public_of(private), owner)
    _write(root / "redis-password" / PASSWORD, password, owner)
    _write(root / "redis-users" / ACL, redis_acl(password), owner)
    _write(root / TOKEN / TOKEN, _read(root / TOKEN / TOKEN) or new_password(), owner)
    _write(root / "alert-receivers" / RECEIVERS, _read(given_receivers), owner)
    for folder in root.iterdir():
        folder.chmod(0o700)
        if owner is not None:
            os.chown(folder, owner, owner)


def cluster_secrets() -> dict[str, dict[str, str]]:
    """Create Secrets by name: one per reader, so that each mounts only what it needs."""
    private, public = key_pair()
    password = new_password()
    return {
        "truebook-exchange-key": {PRIVATE: private},
        "truebook-exchange-public-key": {PUBLIC: public},
        "truebook-redis": {PASSWORD: password},
        "truebook-redis-users": {ACL: redis_acl(password)},
        "truebook-dashboard": {TOKEN: new_password()},
    }


class Cluster:
    """The requests to the Kubernetes API that this needs, with the pod's own service account."""

    def __init__(self, folder: Path = ACCOUNT_FOLDER) -> None:
        self._namespace = (folder / "namespace").read_text().strip()
        self._token = (folder / "token").read_text().strip()
        host, port = os.environ["KUBERNETES_SERVICE_HOST"], os.environ["KUBERNETES_SERVICE_PORT"]
        trusted = ssl.create_default_context(cafile=str(folder / "ca.crt"))
        # Cluster authorities often lack the extensions that strict checking requires; the rest is checked.
        trusted.verify_flags &= ~ssl.VERIFY_X509_STRICT
        self._connection = http.client.HTTPSConnection(host, int(port), timeout=10, context=trusted)

    def create(self, name: str, content: dict[str, str]) -> bool:
        """Create a Secret; return False if the name exists. Raises ``RuntimeError`` on other responses."""
        data = {key: base64.b64encode(value.encode()).decode() for key, value in content.items()}
        body = json.dumps({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "data": data})
        headers = {"Authorization": f"Bearer {self._token}", "Content-Type": "application/json"}
        self._connection.request("POST", f"/api/v1/namespaces/{self._namespace}/secrets", body, headers)
        response = self._connection.getresponse()
        text = response.read().decode("utf-8", "replace")
        if response.status in (201, 409):
            return response.status == 201
        raise RuntimeError(f"the secret {name} was not created: HTTP {response.status} {text[:300]}")


def fill_cluster(cluster: Cluster) -> None:
    """Create missing Secrets. Those of a pair belong together: half a pair is reported, never completed."""
    created = {name: cluster.create(name, content) for name, content in cluster_secrets().items()}
    for one, other in (
        ("truebook-exchange-key", "truebook-exchange-public-key"),
        ("truebook-redis", "truebook-redis-users"),
    ):
        if created[one] != created[other]:
            raise RuntimeError(f"{one} and {other} belong together, but only one was there: delete both, then retry")
    made = sorted(name for name, is_new in created.items() if is_new)
    sys.stdout.write(json.dumps({"created": made}) + "\n")


def _read(file: Path) -> str:
    return file.read_text() if file.is_file() else ""


def _write(file: Path, content: str, owner: int | None) -> None:
    """Replace a file atomically, readable by its owner only from the first byte."""
    file.parent.mkdir(parents=True, exist_ok=True)
    draft = file.with_name(f".{file.name}.new")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o400), "w") as stream:
        stream.write(content)
        os.fsync(stream.fileno())
    if owner is not None:
        os.chown(draft, owner, owner)
    draft.replace(file)


def main(arguments: list[str]) -> int:
    match arguments:
        case ["volumes"]:
            fill_volumes(VOLUMES, GIVEN_KEY)
        case ["cluster"]:
            fill_cluster(Cluster())
        case _:
            sys.stderr.write("usage: credentials.py volumes | cluster\n")
            return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
