import pytest
from starlette.responses import Response

from concertmaster.serving.identity import cookie_of, no_cookie, same_origin, session_cookie

from .conftest import request  # noqa: TID252


def set_cookie(cookie) -> str:
    response = Response()
    response.set_cookie(**cookie.arguments())
    return response.headers["set-cookie"]


@pytest.mark.parametrize(
    ("scheme", "host"),
    [("https", "desk.example"), ("https", "localhost"), ("http", "desk.example"),
     ("http", "127.0.0.1.evil.example"), ("http", "localhost.evil.example"), ("http", "[::")],
)  # fmt: skip
def test_cookie_is_secure_and_bound_to_its_host(scheme, host):
    header = set_cookie(session_cookie(request(scheme=scheme, host=host), "v" * 43))
    name, *attributes = header.split("; ")
    assert name == f"__Host-cm_session={'v' * 43}"
    assert {a.lower() for a in attributes} == {"httponly", "path=/", "samesite=strict", "secure"}


@pytest.mark.parametrize("host", ["localhost:8000", "127.0.0.1:8000", "[::1]:8000", "127.9.9.9"])
def test_cookie_works_without_tls_on_the_loopback_alone(host):
    connection = request(("cookie", "cm_session=abc"), host=host)
    header = set_cookie(session_cookie(connection, "v"))
    assert header.startswith("cm_session=v; ")
    assert {a.lower() for a in header.split("; ")[1:]} == {"httponly", "path=/", "samesite=strict"}
    assert cookie_of(connection) == "abc"


def test_sign_out_has_the_browser_forget_the_cookie():
    header = set_cookie(no_cookie(request(scheme="https")))
    assert header.startswith('__Host-cm_session=""; ')
    assert "Max-Age=0" in header
    assert "Secure" in header


@pytest.mark.parametrize("name", ["forwarded", "via", "x-forwarded-for", "x-forwarded-proto"])
def test_cookie_behind_a_proxy_on_the_same_machine_is_secure(name):
    connection = request((name, "https"), host="127.0.0.1:8000")
    assert session_cookie(connection, "v").secure


def test_own_page_behind_a_proxy_that_ends_tls_is_told():
    connection = request(("origin", "https://desk.example"), method="POST")
    assert same_origin(connection)


def test_value_is_not_printed():
    assert "vvv" not in repr(session_cookie(request(), "vvv"))


@pytest.mark.parametrize(
    ("headers", "own"),
    [
        ({"origin": "https://desk.example"}, True),
        ({"origin": "https://desk.example", "sec-fetch-site": "same-origin"}, True),
        ({"sec-fetch-site": "same-origin"}, True),
        ({"origin": "https://desk.example", "sec-fetch-site": "cross-site"}, False),
        ({"origin": "https://evil.example"}, False),
        ({"origin": "https://desk.example.evil.example"}, False),
        ({"origin": "http://desk.example"}, False),
        ({"origin": "null"}, False),
        ({"sec-fetch-site": "same-site"}, False),
        ({"sec-fetch-site": "none"}, False),
        ({}, False),
    ],
)
def test_page_of_another_origin_is_told(headers, own):
    connection = request(*headers.items(), method="POST", scheme="https")
    assert same_origin(connection) is own
