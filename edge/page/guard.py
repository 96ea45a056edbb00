"""The page's gatekeeper: who may ask, and what a browser may do with the answer.

The page has no users yet. What it can and does keep out is a foreign site in the browser of
somebody who may see it: DNS rebinding (Host), forged requests (Origin and a token that only a
page of ours holds), framing and foreign scripts (the content security policy).
"""

import asyncio
import secrets
from urllib.parse import parse_qs, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

MAX_BODY_BYTES = 8 * 1024
BODY_TIMEOUT_S = 10.0
TOKEN_HEADER = "x-linegate-token"
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'"
)
HEADERS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    # Not `no-referrer`: browsers would then send `Origin: null` with our own forms.
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}


class Refused(Exception):
    """An HTTP status and a sentence for whoever asked."""

    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status
        self.sentence = sentence


class Guard:
    """ASGI middleware around the whole page. `token` is new with every start of the process."""

    def __init__(self, app: ASGIApp, allowed_hosts: tuple[str, ...], token: str) -> None:
        self._app = app
        self._allowed = frozenset(host.lower() for host in allowed_hosts)
        self._token = token

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        send = _with_headers(send)
        try:
            receive = await self._admit(scope, receive)
        except Refused as refused:
            answer = PlainTextResponse(refused.sentence + "\n", refused.status)
            await answer(scope, receive, send)
            return
        await self._app(scope, receive, send)

    async def _admit(self, scope: Scope, receive: Receive) -> Receive:
        """The body to go on with. Raises Refused."""
        headers = Headers(scope=scope)
        check_host(headers, self._allowed)
        if scope["method"] in SAFE_METHODS:
            return receive
        check_origin(headers)
        body = await _read_body(receive)
        check_token(headers, body, self._token)
        return _replay(body, receive)


def check_host(headers: Headers, allowed: frozenset[str]) -> None:
    """Against DNS rebinding: only the names by which this station is known. Raises Refused."""
    hosts = headers.getlist("host")
    name = _hostname(hosts[0]) if len(hosts) == 1 else None
    if name is None or name not in allowed:
        raise Refused(
            421,
            "This page does not answer to that host name. Whoever runs the station can add it to "
            "page.allowed_hosts in station.toml.",
        )


def check_origin(headers: Headers) -> None:
    """Only our own pages may send orders from a browser. Raises Refused."""
    own = {f"http://{headers['host']}".lower(), f"https://{headers['host']}".lower()}
    foreign_origin = "origin" in headers and headers["origin"].lower() not in own
    if foreign_origin or headers.get("sec-fetch-site", "none") not in ("same-origin", "none"):
        raise Refused(403, "This order comes from another site; it was not carried out.")


def check_token(headers: Headers, body: bytes, token: str) -> None:
    """The header or the form field must hold the token of this process. Raises Refused."""
    given = headers.get(TOKEN_HEADER) or form_fields(body).get("token", "")
    if not secrets.compare_digest(given.encode(), token.encode()):
        raise Refused(403, "This page is from before a restart. Load it again, then repeat.")


def form_fields(body: bytes) -> dict[str, str]:
    """The first value of each field of an urlencoded form; nothing of anything else."""
    try:
        fields = parse_qs(body.decode(), max_num_fields=32)
    except ValueError:
        return {}
    return {name: values[0] for name, values in fields.items()}


def _hostname(host: str) -> str | None:
    try:
        return urlsplit(f"//{host}").hostname
    except ValueError:
        return None


async def _read_body(receive: Receive) -> bytes:
    """All of a small body. Raises Refused where it is too large or too slow."""
    body: bytes = b""
    try:
        async with asyncio.timeout(BODY_TIMEOUT_S):
            while True:
                message = await receive()
                body += message.get("body", b"")
                if len(body) > MAX_BODY_BYTES:
                    raise Refused(413, f"At most {MAX_BODY_BYTES} bytes are taken.")
                if not message.get("more_body"):
                    return body
    except TimeoutError:
        raise Refused(408, "The request did not arrive in time.") from None


def _replay(body: bytes, receive: Receive) -> Receive:
    """The body once more, then whatever comes (a disconnect)."""
    pending: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def again() -> Message:
        return pending.pop() if pending else await receive()

    return again


def _with_headers(send: Send) -> Send:
    async def send_with_headers(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in HEADERS.items():
                headers[name] = value
            headers.setdefault("cache-control", "no-store")
        await send(message)

    return send_with_headers
