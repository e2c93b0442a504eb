"""A small client of the API server: JSON over HTTPS with a bearer token, standard library only.

Threads: one connection a thread (http.client is not shared).
"""

import http.client
import json
import re
import ssl
import threading
import time

VOLATILE = ("uid", "resourceVersion", "generation", "managedFields", "creationTimestamp", "selfLink")


class ApiError(Exception):
    def __init__(self, status, message):
        super().__init__(f"{status}: {message}")
        self.status = status


class Api:
    def __init__(self, port, token, ca_file):
        self.port, self.token = port, token
        self.writes = 0  # tried, by all threads
        self.tls = ssl.create_default_context(cafile=ca_file)
        self.local = threading.local()

    def call(self, method, path, body=None, content_type="application/json", parse=True, tries=20):
        self.writes += method != "GET"
        data = None if body is None else json.dumps(body)
        headers = {
            "Authorization": f"Bearer {self.token}",
            "Content-Type": content_type,
            "Accept": "application/json",
        }
        for attempt in (1, 2):
            connection = getattr(self.local, "connection", None)
            if connection is None:
                connection = http.client.HTTPSConnection("127.0.0.1", self.port, context=self.tls, timeout=120)
                self.local.connection = connection
            try:
                connection.request(method, path, data, headers)
                response = connection.getresponse()
                text = response.read()
                break
            except (http.client.HTTPException, OSError):  # a kept connection that the server has closed
                connection.close()
                self.local.connection = None
                if attempt == 2:
                    raise
        if response.status in (429, 503, 504) and tries:  # a busy machine: the server asks for another try
            time.sleep(1)
            return self.call(method, path, body, content_type, parse, tries - 1)
        if response.status >= 300:
            raise ApiError(response.status, text.decode(errors="replace")[:2000])
        return json.loads(text) if text and parse else None

    def get(self, path):
        """The object, or None when it (or its kind) does not exist."""
        try:
            return self.call("GET", path)
        except ApiError as error:
            if error.status == 404:
                return None
            raise

    def items(self, path):
        answer = self.get(path)
        return (answer or {}).get("items") or []

    def create(self, path, body):
        return self.call("POST", path, body)

    def replace(self, path, body):
        return self.call("PUT", path, body)

    def merge(self, path, body):
        return self.call("PATCH", path, body, "application/merge-patch+json")

    def delete(self, path):
        try:
            return self.call(
                "DELETE", path, {"kind": "DeleteOptions", "apiVersion": "v1", "propagationPolicy": "Background"}
            )
        except ApiError as error:
            if error.status != 404:
                raise
            return None

    # Kinds whose content the API server itself or its caches write, not those who use it.
    IGNORED = {"events", "componentstatuses", "leases", "endpoints", "endpointslices", "apiservices", "bindings", "ipaddresses"}

    # What the logging operator itself leaves behind when a ClusterLogForwarder goes.
    LEFT_BEHIND = re.compile(r"/clusterrolebindings /cluster-logging-.*-(metadata-reader|metrics-auth)$")

    def kinds(self):
        """(API path, resource name) of everything that can be listed."""
        groups = [("/api/v1", self.call("GET", "/api/v1"))]
        for group in self.call("GET", "/apis")["groups"]:
            version = group["preferredVersion"]["groupVersion"]
            groups.append((f"/apis/{version}", self.call("GET", f"/apis/{version}")))
        for path, resources in groups:
            for resource in resources["resources"]:
                if (
                    "list" in resource["verbs"]
                    and "/" not in resource["name"]
                    and resource["name"] not in self.IGNORED
                ):
                    yield path, resource["name"]

    def snapshot(self, versions=False):
        """Every object's content, by kind, namespace and name; `versions` adds what any write changes."""
        found = {}
        for path, resource in self.kinds():
            for item in self.items(f"{path}/{resource}"):
                meta = dict(item.get("metadata", {}))
                key = f"{path}/{resource} {meta.get('namespace', '')}/{meta['name']}"
                if self.LEFT_BEHIND.search(key):
                    continue
                content = {k: v for k, v in item.items() if k not in ("status", "apiVersion", "kind", "metadata")}
                content["labels"] = meta.get("labels") or {}
                content["annotations"] = dict(meta.get("annotations") or {})
                content["annotations"].pop("deprecated.daemonset.template.generation", None)  # the server's own counter
                if versions:
                    content["uid"], content["generation"] = meta["uid"], meta.get("generation")
                found[key] = content
        return found


def wait_until(condition, seconds=120, what="the condition"):
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {seconds}s in vain for {what}")
        time.sleep(0.1)
