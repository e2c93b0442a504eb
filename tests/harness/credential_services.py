"""Who hands out credentials: moto's STS, a container agent and an instance's metadata service.

What they hand out lives a few seconds only, is known to the fake Kinesis from then on, and is refused there when it
has expired.
"""

import datetime
import http.server
import json
import re
import threading
import time
from urllib.parse import parse_qsl

from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import WSGIRequestHandler, make_server


def as_timestamp(seconds: float) -> str:
    return datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


class _Quiet(WSGIRequestHandler):
    def log(self, *_):
        pass


class Sts:
    """moto's, but for the life of the credentials: STS itself gives none under 15 minutes."""

    def __init__(self, kinesis, life_s: float):
        self._kinesis, self._life_s = kinesis, life_s
        self._moto = DomainDispatcherApplication(create_backend_app)
        self.calls: list[dict] = []  # the form's fields, "signer": the access key, "issued": the one handed out
        self._server = make_server("127.0.0.1", 0, self._serve, threaded=True, request_handler=_Quiet)
        self.environment = {"AWS_ENDPOINT_URL_STS": f"http://127.0.0.1:{self._server.server_port}"}
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def issued(self) -> list[str]:
        return [call["issued"] for call in self.calls if "issued" in call]

    def call_for(self, key: str) -> dict:
        """The call this access key was the answer to."""
        return next(call for call in self.calls if call.get("issued") == key)

    def _serve(self, environ, start_response):
        size = int(environ.get("CONTENT_LENGTH") or 0)
        body = environ["wsgi.input"].read(size)
        environ["wsgi.input"] = _Again(body)
        call = dict(parse_qsl(body.decode()))
        signer = re.search(r"Credential=([^/]+)/", environ.get("HTTP_AUTHORIZATION", ""))
        call["signer"] = signer.group(1) if signer else None
        answered = []
        parts = self._moto(environ, lambda status, headers, *_: answered.append((status, headers)))
        text = b"".join(parts).decode()
        expires = time.time() + self._life_s
        text = re.sub(r"<Expiration>[^<]*<", f"<Expiration>{as_timestamp(expires)}<", text)
        issued = {name: re.search(f"<{name}>([^<]+)<", text)
                  for name in ("AccessKeyId", "SecretAccessKey", "SessionToken")}
        if all(issued.values()):
            key, secret, token = (found.group(1) for found in issued.values())
            self._kinesis.add_key(key, secret, token, expires)
            call["issued"] = key
        self.calls.append(call)
        status, headers = answered[0]
        start_response(status, [(name, value) for name, value in headers if name.lower() != "content-length"]
                       + [("Content-Length", str(len(text.encode())))])
        return [text.encode()]

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()


class _Again:
    """A body that was read already."""

    def __init__(self, body: bytes):
        self._body = body

    def read(self, size: int = -1) -> bytes:
        size = len(self._body) if size is None or size < 0 else size
        taken, self._body = self._body[:size], self._body[size:]
        return taken


class MetadataService:
    """Both kinds: /credentials as a container agent serves it, /latest as an instance's metadata service does."""

    def __init__(self, kinesis, life_s: float):
        self._kinesis, self._life_s = kinesis, life_s
        self.authorizations: list[str | None] = []  # at the container's endpoint
        self.session_tokens: list[str] = []  # given out by the instance's; only the last one is good
        self.issued: list[str] = []
        self.refused = 0
        service = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_PUT(self):
                lives = self.headers.get("X-aws-ec2-metadata-token-ttl-seconds", "")
                if self.path != "/latest/api/token" or not 1 <= int(lives or 0) <= 21600:
                    return self._answer(400, "")
                service.session_tokens.append(f"session-token-{len(service.session_tokens)}")
                self._answer(200, service.session_tokens[-1])

            def do_GET(self):
                if self.path == "/credentials":
                    service.authorizations.append(self.headers.get("Authorization"))
                    return self._answer(200, json.dumps(service._issue()))
                if self.headers.get("X-aws-ec2-metadata-token") not in service.session_tokens[-1:]:
                    service.refused += 1
                    return self._answer(401, "")
                if self.path == "/latest/meta-data/iam/security-credentials/":
                    return self._answer(200, "node-role")
                if self.path == "/latest/meta-data/iam/security-credentials/node-role":
                    return self._answer(200, json.dumps({"Code": "Success", **service._issue()}))
                self._answer(404, "")

            def _answer(self, status: int, body: str):
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body.encode())

            def log_message(self, *_):
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def forget_sessions(self) -> None:
        """As when the instance was moved: the tokens given so far are void."""
        self.session_tokens.append("nobody has this one")

    def _issue(self) -> dict:
        number, expires = len(self.issued), time.time() + self._life_s
        key = {"AccessKeyId": f"ASIAMETADATA{number}", "SecretAccessKey": f"secret-{number}", "Token": f"token-{number}",
               "Expiration": as_timestamp(expires)}
        self._kinesis.add_key(key["AccessKeyId"], key["SecretAccessKey"], key["Token"], expires)
        self.issued.append(key["AccessKeyId"])
        return key

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()
