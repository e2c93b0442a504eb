"""Signature Version 4, checked as the service checks it: every part, from the bytes on the wire."""

import calendar
import hashlib
import hmac
import re
import time
from dataclasses import dataclass
from urllib.parse import quote, unquote

from .errors import ServiceError

CLOCK_TOLERANCE_S = 300

_AUTHORIZATION = re.compile(
    r"AWS4-HMAC-SHA256 Credential=([^/,]+)/(\d{8})/([^/,]+)/([^/,]+)/aws4_request,\s*"
    r"SignedHeaders=([a-z0-9;-]+),\s*Signature=([0-9a-f]{64})")


@dataclass
class AccessKey:
    id: str
    secret: str
    token: str | None = None
    expired: bool = False
    expires: float | None = None  # on the server's clock


def verify(keys: dict[str, AccessKey], regions: set[str], service: str, method: str, target: str,
           headers: dict[str, str], body: bytes, now: float) -> AccessKey:
    """Returns the key the request was signed with, or raises the service's error."""
    authorization = headers.get("authorization")
    if not authorization:
        raise ServiceError("MissingAuthenticationTokenException", "Missing Authentication Token")
    parts = _AUTHORIZATION.fullmatch(authorization)
    if not parts:
        raise ServiceError("IncompleteSignatureException", "the Authorization header is not of the known form")
    key_id, date, region, scope_service, signed_names, signature = parts.groups()

    key = keys.get(key_id)
    if key is None:
        raise ServiceError("UnrecognizedClientException", "The security token included in the request is invalid.")
    if key.expired or (key.expires is not None and now >= key.expires):
        raise ServiceError("ExpiredTokenException", "The security token included in the request is expired")
    if headers.get("x-amz-security-token") != key.token:
        raise ServiceError("UnrecognizedClientException", "The security token included in the request is invalid.")

    names = signed_names.split(";")
    _check_signed_names(names, headers, key)
    stamp = headers.get("x-amz-date", "")
    _check_time(stamp, date, now)
    if region not in regions:
        raise _bad_signature(f"Credential should be scoped to a valid region, not '{region}'.")
    if scope_service != service:
        raise _bad_signature(f"Credential should be scoped to correct service: '{service}'.")

    canonical = canonical_request(method, target, headers, names, body)
    expected = sign(key.secret, stamp, date, region, service, canonical)
    if not hmac.compare_digest(expected, signature):
        raise _bad_signature("The request signature we calculated does not match the signature you provided.")
    return key


def canonical_request(method: str, target: str, headers: dict[str, str], names: list[str], body: bytes) -> str:
    path, _, query = target.partition("?")
    pairs = sorted((quote(unquote(name), safe="-_.~"), quote(unquote(value), safe="-_.~"))
                   for name, _, value in (item.partition("=") for item in query.split("&") if item))
    lines = [method, quote(unquote(path), safe="/-_.~"), "&".join(f"{name}={value}" for name, value in pairs)]
    lines += [f"{name}:{' '.join(headers[name].split())}" for name in names]
    lines += ["", ";".join(names), hashlib.sha256(body).hexdigest()]
    return "\n".join(lines)


def sign(secret: str, stamp: str, date: str, region: str, service: str, canonical: str) -> str:
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    text = f"AWS4-HMAC-SHA256\n{stamp}\n{date}/{region}/{service}/aws4_request\n{digest}"
    key = ("AWS4" + secret).encode()
    for part in (date, region, service, "aws4_request"):
        key = hmac.digest(key, part.encode(), "sha256")
    return hmac.digest(key, text.encode(), "sha256").hex()


def _check_signed_names(names: list[str], headers: dict[str, str], key: AccessKey) -> None:
    if names != sorted(set(names)):
        raise ServiceError("IncompleteSignatureException", "SignedHeaders are not sorted")
    required = {"host", "x-amz-date"} | ({"x-amz-security-token"} if key.token else set())
    # Every x-amz- header and the content type must be signed where they are sent.
    required |= {name for name in headers if name.startswith("x-amz-") or name == "content-type"}
    missing = sorted(required - set(names))
    if missing:
        raise _bad_signature(f"'{missing[0]}' must be a signed header in the AWS Signature.")
    absent = [name for name in names if name not in headers]
    if absent:
        raise _bad_signature(f"signed header '{absent[0]}' was not sent")


def _check_time(stamp: str, date: str, now: float) -> None:
    if not re.fullmatch(r"\d{8}T\d{6}Z", stamp):
        raise ServiceError("IncompleteSignatureException", "Date must be in ISO-8601 'basic format'.")
    if stamp[:8] != date:
        raise _bad_signature("Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP")
    signed = calendar.timegm(time.strptime(stamp, "%Y%m%dT%H%M%SZ"))
    here = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(now))
    if signed < now - CLOCK_TOLERANCE_S:
        raise _bad_signature(f"Signature expired: {stamp} is now earlier than {here} - 5 min.)")
    if signed > now + CLOCK_TOLERANCE_S:
        raise _bad_signature(f"Signature not yet current: {stamp} is still later than {here} + 5 min.)")


def _bad_signature(message: str) -> ServiceError:
    return ServiceError("InvalidSignatureException", message)
