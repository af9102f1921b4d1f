"""A store with a clock of its own, requests, signing keys made on the spot, an issuer's server."""

import json
import threading
import time
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from starlette.requests import HTTPConnection

from concertmaster.contracts import Principal
from concertmaster.errors import Unauthenticated
from concertmaster.serving.identity import Issuer, UserStore

ISSUER = "https://login.example/realms/shop"
AUDIENCE = "https://desk.example"


class Clock:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.at = datetime.now(UTC)

    def __call__(self) -> datetime:
        return self.at

    def forward(self, **span: float) -> None:
        self.at += timedelta(**span)


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def path(tmp_path):
    return tmp_path / "users.db"


@pytest.fixture
def store(path, clock):
    opened = UserStore.open(path, clock=clock)
    yield opened
    opened.close()


@pytest.fixture
async def ana(store):
    """A customer, and the text of her key."""
    await store.add(Principal(id="ana", roles=("customer",)), by="root")
    return (await store.keys.create("ana", by="root"))[1]


def request(*headers, method="GET", scheme="http", host="desk.example"):
    """Return a request as an authenticator sees it; headers are pairs, doubles allowed."""
    pairs = [("host", host), *headers]
    return HTTPConnection(
        {
            "type": "http",
            "method": method,
            "scheme": scheme,
            "path": "/",
            "query_string": b"",
            "server": ("127.0.0.1", 80),
            "client": ("192.0.2.7", 5),
            "headers": [(k.lower().encode(), v.encode("latin-1")) for k, v in pairs],
        }
    )


def bearer(text, **more):
    """Return a request with a bearer credential."""
    return request(("authorization", f"Bearer {text}"), **more)


async def reason(authenticate, connection) -> str:
    """Return the reason for which a caller is refused, after looking for what it must not tell."""
    with pytest.raises(Unauthenticated) as caught:
        await authenticate(connection)
    told = f"{caught.value!s} {caught.value!r} {caught.value.about}"
    for value in connection.headers.getlist("authorization"):
        secret = value.rpartition(" ")[2]
        assert len(secret) < 8 or secret not in told
        assert len(secret) < 30 or secret[-20:] not in told
    return caught.value.reason


RSA = rsa.generate_private_key(public_exponent=65537, key_size=2048)
OTHER_RSA = rsa.generate_private_key(public_exponent=65537, key_size=2048)
EC = ec.generate_private_key(ec.SECP256R1())
ED = ed25519.Ed25519PrivateKey.generate()


def jwk(key, kid, **more):
    """Return the public JWK of a private key."""
    maker = (
        jwt.algorithms.RSAAlgorithm
        if isinstance(key, rsa.RSAPrivateKey)
        else jwt.algorithms.ECAlgorithm
        if isinstance(key, ec.EllipticCurvePrivateKey)
        else jwt.algorithms.OKPAlgorithm
    )
    return {**json.loads(maker.to_jwk(key.public_key())), "kid": kid, "use": "sig", **more}


def jwks(*keys):
    """Return a JWK set as text."""
    return json.dumps({"keys": list(keys)})


def token(key=RSA, *, algorithm="RS256", kid="k1", headers=None, **changes):
    """Return a token; a claim that is None is left out."""
    now = int(time.time())
    claims = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": "4711",
        "iat": now,
        "exp": now + 300,
        "realm_access": {"roles": ["customer"]},
        **changes,
    }
    named = {**({} if kid is None else {"kid": kid}), **(headers or {})}
    claims = {name: value for name, value in claims.items() if value is not None}
    return jwt.encode(claims, key, algorithm=algorithm, headers=named)


@pytest.fixture
def issuer(tmp_path):
    """Return an issuer whose keys lie in a file, with what is declared otherwise."""
    file = tmp_path / "jwks.json"
    file.write_text(jwks(jwk(RSA, "k1"), jwk(EC, "e1"), jwk(ED, "d1")))

    def make(**changes):
        declared = {
            "name": "corp",
            "issuer": ISSUER,
            "audience": [AUDIENCE],
            "jwks_file": file,
            "algorithms": ["RS256", "ES256", "EdDSA"],
            "claims": {"roles": "realm_access.roles"},
            **changes,
        }
        return Issuer.model_validate(declared)

    return make


class Served:
    """What an issuer's server answers, and how often it was asked."""

    def __init__(self) -> None:
        self.body, self.status, self.headers, self.asked = b"{}", 200, {}, []
        self.delay = threading.Event()
        self.delay.set()
        self.url = ""


@pytest.fixture
def served():
    """An issuer's server on the loopback."""
    state = Served()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            state.asked.append(self.path)
            state.delay.wait(10)
            self.send_response(state.status)
            for name, value in state.headers.items():
                self.send_header(name, value)
            self.send_header("content-length", str(len(state.body)))
            self.end_headers()
            try:
                self.wfile.write(state.body)
            except OSError:
                self.close_connection = True

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    state.url = f"http://127.0.0.1:{server.server_port}/jwks"
    yield state
    state.delay.set()
    server.shutdown()
    thread.join()
    server.server_close()
