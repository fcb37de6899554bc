"""Vertex AI, Google Cloud Storage and Kubeflow Pipelines on the loopback interface, as far as submit calls them."""

import contextlib
import http.server
import json
import socket
import threading
import urllib.parse
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

# Runs what was created; True for a good end.
Run = Callable[[Mapping[str, Any]], bool]


class Call(NamedTuple):
    """One request that came in; ``body`` is decoded where it is JSON."""

    method: str
    path: str
    query: dict[str, list[str]]
    body: Any
    headers: Mapping[str, str]


class FakeServices(http.server.ThreadingHTTPServer):
    """All services at one address; ``calls`` and ``objects`` are what they were sent, ``run`` runs what is created;
    with a ``refusal`` nothing is created, with a ``page`` every answer is this page."""

    daemon_threads = True

    def __init__(self, run: Run = lambda body: True) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.run = run
        self.calls: list[Call] = []
        self.objects: dict[str, bytes] = {}
        self._ended: dict[str, bool] = {}
        self.refusal = ""
        self.page, self.page_status = "", 200

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def start(self, name: str, body: Mapping[str, Any]) -> None:
        """Runs what was created, while its caller already has an answer."""

        def work() -> None:
            self._ended[name] = self.run(body)

        threading.Thread(target=work, daemon=True).start()

    def state(self, name: str) -> str:
        """Of what was started."""
        return {None: "RUNNING", True: "SUCCEEDED", False: "FAILED"}[self._ended.get(name)]

    def named(self, method: str, end: str) -> list[Call]:
        """The calls of this method whose path ends so."""
        return [call for call in self.calls if call.method == method and call.path.endswith(end)]


class _Handler(http.server.BaseHTTPRequestHandler):
    server: FakeServices
    protocol_version = "HTTP/1.1"

    def log_message(self, *arguments: Any) -> None:
        """Says nothing."""

    def do_GET(self) -> None:
        call = self._call("GET")
        if call.path.startswith("/storage/v1/b/"):
            self._reply({"kind": "storage#bucket", "name": call.path.rsplit("/", 1)[1]})
        elif "/pipelineJobs/" in call.path:
            state = self.server.state(call.path.rsplit("/", 1)[1])
            self._reply({"name": call.path.removeprefix("/v1/"), "state": f"PIPELINE_STATE_{state}"})
        elif "/schedules/" in call.path:
            self._reply({"name": call.path.removeprefix("/v1/"), "state": "ACTIVE"})
        elif "/v2beta1/experiments" in call.path:
            self._reply({"experiments": [{"experiment_id": "e1", "display_name": "Default"}]})
        elif "/v2beta1/runs/" in call.path:
            self._reply({"run_id": "r1", "state": self.server.state("r1")})
        else:
            self._reply({"multi_user": False})

    def do_POST(self) -> None:
        call = self._call("POST")
        kind = call.path.rsplit("/", 1)[1]
        if call.path == "/token":
            self._reply({"access_token": "a-token", "expires_in": 3600, "token_type": "Bearer"})
        elif call.path.startswith("/upload/storage/"):
            self._upload(call)
        elif self.server.refusal:
            self._reply({"error": {"code": 403, "message": self.server.refusal}}, status=403)
        elif kind == "pipelineJobs":
            name = call.query["pipelineJobId"][0]
            self.server.start(name, call.body)
            parent = call.path.removeprefix("/v1/")
            self._reply({"name": f"{parent}/{name}", "state": "PIPELINE_STATE_RUNNING"})
        elif kind == "schedules":
            self._reply({**call.body, "name": f"{call.path.removeprefix('/v1/')}/1", "state": "ACTIVE"})
        elif kind == "experiments":
            self._reply({"experiment_id": "e2", "display_name": call.body["display_name"]})
        elif kind == "runs":
            self.server.start("r1", call.body)
            self._reply({"run_id": "r1", "display_name": call.body["display_name"], "state": "PENDING"})
        elif kind == "recurringruns":
            self._reply({"recurring_run_id": "s1", "status": "ENABLED"})
        else:
            self._reply({"error": {"message": f"no such call: {call.path}"}}, status=404)

    def _call(self, method: str) -> Call:
        place = urllib.parse.urlsplit(self.path)
        raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        body: Any = raw
        if raw and self.headers.get("Content-Type", "").startswith("application/json"):
            body = json.loads(raw)
        call = Call(method, urllib.parse.unquote(place.path), urllib.parse.parse_qs(place.query), body, self.headers)
        self.server.calls.append(call)
        return call

    def _upload(self, call: Call) -> None:
        """One multipart body: the object's metadata as JSON, then its bytes."""
        boundary = b"--" + self.headers["Content-Type"].split("boundary=")[1].strip("'\"").encode()
        _, metadata, content, _ = call.body.split(boundary)
        name = json.loads(metadata.split(b"\r\n\r\n", 1)[1])["name"]
        place = f"gs://{call.path.split('/b/')[1].split('/')[0]}/{name}"
        if place in self.server.objects and call.query.get("ifGenerationMatch") == ["0"]:
            self._reply({"error": {"message": "it exists"}}, status=412)
            return
        self.server.objects[place] = content.split(b"\r\n\r\n", 1)[1].removesuffix(b"\r\n")
        self._reply({"name": name})

    def _reply(self, value: Any, status: int = 200) -> None:
        page = self.server.page
        body = page.encode() if page else json.dumps(value).encode()
        self.send_response(self.server.page_status if page else status)
        self.send_header("Content-Type", "text/html" if page else "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@contextlib.contextmanager
def running(run: Run = lambda body: True) -> Iterator[FakeServices]:
    """The services, until the end of the block."""
    server = FakeServices(run)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def service_account_key(token_url: str) -> str:
    """A key file as Google hands them out, with a fresh key."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return json.dumps(
        {
            "type": "service_account",
            "project_id": "my-project",
            "private_key_id": "0" * 40,
            "private_key": key.private_bytes(*form).decode(),
            "client_email": "submitter@my-project.iam.gserviceaccount.com",
            "client_id": "1",
            "token_uri": token_url,
        }
    )


def let_google_in(server: FakeServices, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Gives Google's clients a key of a service account, in ``folder``, and sends what they ask to the server."""
    from google.auth import credentials
    from google.cloud.aiplatform import pipeline_jobs
    from google.cloud.aiplatform.initializer import global_config
    from google.cloud.aiplatform.utils import gcs_utils

    key = folder / "key.json"
    key.write_text(service_account_key(f"{server.url}/token"))
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(key))
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", server.url)
    # Two questions go to addresses that cannot be set: whose the bucket is, and where the account may be used.
    monkeypatch.setattr(gcs_utils, "_verify_bucket_ownership", lambda *arguments: True, raising=False)
    boundary = getattr(credentials, "CredentialsWithRegionalAccessBoundary", credentials.Credentials)
    monkeypatch.setattr(boundary, "_after_refresh", lambda *arguments: None, raising=False)
    # The client keeps the credentials that it found first, and asks for a run's state every five seconds or rarer.
    monkeypatch.setattr(global_config, "_credentials", None)
    monkeypatch.setattr(pipeline_jobs, "_JOB_WAIT_TIME", 0.05)
    monkeypatch.setattr(pipeline_jobs, "_MAX_WAIT_TIME", 1)


def refuse_other_hosts(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """From now on, connecting to anything but the loopback interface fails; returns the list of such attempts."""
    attempts: list[Any] = []
    connect = socket.socket.connect

    def guarded(self: socket.socket, address: Any) -> None:
        if self.family in (socket.AF_INET, socket.AF_INET6) and address[0] not in ("127.0.0.1", "::1"):
            attempts.append(address)
            raise OSError(f"not on the loopback interface: {address}")
        connect(self, address)

    def looked_up(host: Any, *arguments: Any, **options: Any) -> Any:
        if host not in ("127.0.0.1", "::1", "localhost", None):
            attempts.append(host)
            raise socket.gaierror(f"not on the loopback interface: {host}")
        return getaddrinfo(host, *arguments, **options)

    getaddrinfo = socket.getaddrinfo
    monkeypatch.setattr(socket.socket, "connect", guarded)
    monkeypatch.setattr(socket, "getaddrinfo", looked_up)
    return attempts
