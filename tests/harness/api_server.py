"""A cluster's API server as far as TokenReview goes: knows some tokens, and can be gone for a while."""

import http.server
import json
import ssl
import threading
from pathlib import Path


class ApiServer:
    """tokens: token -> username. `environment` lets penstock take itself for a pod of this cluster."""

    def __init__(self, directory: Path, certificates, tokens: dict[str, str]):
        self.tokens = dict(tokens)
        self.reviews: list[str] = []
        self.callers: set[str] = set()
        self.is_broken = False
        account = directory / "serviceaccount"
        account.mkdir(parents=True)
        (account / "token").write_text("penstock-own-token")
        (account / "ca.crt").write_bytes(Path(certificates.ca).read_bytes())
        server = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                assert self.path == "/apis/authentication.k8s.io/v1/tokenreviews"
                assert request["kind"] == "TokenReview"
                server.callers.add(self.headers["Authorization"])
                token = request["spec"]["token"]
                server.reviews.append(token)
                user = server.tokens.get(token)
                status = {"authenticated": True, "user": {"username": user}} if user else {"error": "invalid bearer token"}
                body = json.dumps({"kind": "TokenReview", "status": status}).encode()
                self.send_response(500 if server.is_broken else 201)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificates.server_cert, certificates.server_key)
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        self.environment = {"KUBERNETES_SERVICE_HOST": "127.0.0.1",
                            "KUBERNETES_SERVICE_PORT": str(self._server.server_port),
                            "PENSTOCK_SERVICE_ACCOUNT_DIRECTORY": str(account)}

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()
