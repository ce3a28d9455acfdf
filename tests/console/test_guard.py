"""Who may do what, and what other sites can't make a browser do."""

from __future__ import annotations

import re
import time
from urllib.parse import parse_qs, urlsplit

import httpx2
import numpy as np
import pytest
from fastapi.routing import APIRoute
from fastapi.testclient import TestClient

from console import api, pages
from console.state import Console
from console.users import COOKIE, hash_password
from reid import Embedder
from storage import Account, Gallery

from .conftest import OWN, Make, png
from .serving import Served

PASSWORD = "correct horse battery"


@pytest.fixture
def house(make: Make, gallery: Gallery) -> TestClient:
    """A console whose people sign in."""
    hashed = hash_password(PASSWORD)
    for role in ("viewer", "operator", "administrator"):
        gallery.accounts.put(Account(role[:3], role, hashed))  # type: ignore[arg-type]
    return make(sign_in=True)


def sign_in(client: TestClient, name: str, password: str = PASSWORD) -> int:
    client.cookies.clear()
    form = {"name": name, "password": password, "then": "/gallery"}
    return client.post("/sign-in", data=form, headers=OWN).status_code


def test_nothing_is_shown_before_signing_in(house: TestClient, gallery: Gallery) -> None:
    crop = gallery.browse.best([1])[1]
    for path in ("/api/v1/gallery", "/api/v1/identities/1", f"/api/v1/crops/{crop.crop}"):
        assert house.get(path).status_code == 401
    moved = house.get("/identities/1")
    assert (moved.status_code, moved.headers["location"]) == (
        303,
        "/sign-in?then=%2Fidentities%2F1",
    )
    assert house.get("/sign-in").status_code == 200
    search = "/search?like=331&like=4&camera=near"
    assert then(house.get(search)) == search
    assert house.post("/api/v1/acts", json={"act": "confirm", "track": 1}, headers=OWN).is_error


def then(answer: httpx2.Response) -> str:
    """Where the sign-in goes on that an answer leads to."""
    place = urlsplit(answer.headers["location"])
    assert (answer.status_code, place.path) == (303, "/sign-in")
    (found,) = parse_qs(place.query)["then"]
    return found


def test_after_signing_in_the_page_is_shown_again_from_which_something_was_sent(
    house: TestClient,
) -> None:
    for place, page in (
        ("http://127.0.0.1/review?passed=3", "/review?passed=3"),
        ("http://127.0.0.1", "/"),
        ("https://evil.example/review", "/"),
        ("", "/"),
        ("http://[", "/"),
    ):
        headers = OWN | {"Referer": place}
        assert then(house.post("/acts", data={"act": "confirm"}, headers=headers)) == page


def test_each_role_may_do_its_own(house: TestClient, gallery: Gallery) -> None:
    track = gallery.identities()[0].tracks[0]
    for name, judge, erase in (("vie", 403, 403), ("ope", 200, 403), ("adm", 200, 200)):
        assert sign_in(house, name) == 303
        assert house.get("/api/v1/me").json()["name"] == name
        act = {"act": "confirm", "track": track}
        assert house.post("/api/v1/acts", json=act, headers=OWN).status_code == judge
        body = {"observations": 4}
        answer = house.post("/api/v1/identities/3/erase", json=body, headers=OWN)
        assert answer.status_code == erase
        hold = house.post("/api/v1/holds", json={"reason": "x"}, headers=OWN)
        assert hold.status_code == (201 if name == "adm" else 403)
    actors = {(e.actor, e.action) for e in gallery.audit.entries()}
    assert {("ope", "confirm"), ("adm", "erase")} <= actors


def test_each_role_is_offered_its_own(house: TestClient, gallery: Gallery) -> None:
    seen = gallery.browse.best([1])[1].id
    gallery.watchlist.add("lost child", gallery.browse.embeddings([seen]), [b"x"])
    places = ("/review", "/identities/1", f"/search?like={seen}", "/watchlist")
    for name, offered in (("vie", False), ("ope", True)):
        sign_in(house, name)
        for place in places:
            shown = house.get(place).text
            forms = re.findall('action="(/acts|/watchlist|/watchlist/remove|/holds)"', shown)
            assert bool(forms) == offered, (name, place)
            assert "/erase" not in shown
    sign_in(house, "adm")
    shown = house.get("/identities/1").text
    assert 'action="/holds"' in shown
    assert 'href="/identities/1/erase"' in shown


def test_a_refusal_says_who_is_signed_in(house: TestClient) -> None:
    sign_in(house, "vie")
    refused = house.post("/acts", data={"act": "confirm", "track": 1}, headers=OWN)
    assert refused.status_code == 403
    assert "vie is signed in as viewer, and this takes an operator" in refused.text
    assert "Sign out" in refused.text
    house.cookies.clear()
    unknown = house.get("/nothing")
    assert unknown.status_code == 404
    assert "Sign out" not in unknown.text


def test_searches_and_looks_stand_in_the_audit_log(house: TestClient, gallery: Gallery) -> None:
    sign_in(house, "vie")
    crop = gallery.browse.best([1])[1]
    for _ in range(3):
        house.get(f"/api/v1/crops/{crop.crop}")
    house.get("/api/v1/search", params={"like": crop.id})
    noted = [(e.actor, e.action) for e in gallery.audit.entries()]
    assert noted.count(("vie", "look")) == 1
    assert noted.count(("vie", "search")) == 1
    assert gallery.audit.verify().broken is None


def test_wrong_passwords_are_slowed_down(house: TestClient) -> None:
    for _ in range(5):
        assert sign_in(house, "vie", "wrong password") == 403
    assert sign_in(house, "vie") == 429
    assert sign_in(house, "ope") == 429, "the same client with another name"


def test_sessions_end(house: TestClient, gallery: Gallery) -> None:
    sign_in(house, "vie")
    assert house.get("/api/v1/me").status_code == 200
    gallery.accounts.put(Account("vie", "viewer", hash_password("another password")))
    assert house.get("/api/v1/me").status_code == 401, "the password was changed"
    sign_in(house, "ope")
    gallery.accounts.remove("ope")
    assert house.get("/api/v1/me").status_code == 401, "the account is gone"
    sign_in(house, "adm")
    cookie = house.cookies[COOKIE]
    house.cookies.clear()
    forged = cookie[:-6] + ("A" if cookie[-6] != "A" else "B") + cookie[-5:]
    for value, code in ((cookie, 200), (forged, 401), ("x", 401)):
        answer = house.get("/api/v1/me", headers={"Cookie": f"{COOKIE}={value}"})
        assert answer.status_code == code


def test_live_events_end_with_the_account(
    house: TestClient, gallery: Gallery, embedder: Embedder
) -> None:
    sign_in(house, "vie")
    cookie = {"Cookie": f"{COOKIE}={house.cookies[COOKIE]}"}
    with Served(Console(gallery, embedder), sign_in=True) as url:
        events = f"{url}/api/v1/live/events"
        with httpx2.stream("GET", events, headers=cookie, timeout=20) as stream:
            lines = stream.iter_lines()
            assert next(lines).startswith("data: ")
            gallery.accounts.remove("vie")
            began = time.monotonic()
            list(lines)
            assert time.monotonic() - began < 5
        assert httpx2.get(events, headers=cookie, timeout=20).status_code == 401


def test_signing_out_clears_the_browser(house: TestClient) -> None:
    sign_in(house, "vie")
    answer = house.post("/sign-out", headers=OWN)
    assert answer.headers["clear-site-data"] == '"cache", "storage"'
    assert house.get("/api/v1/me").status_code == 401


def test_sessions_expire(house: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    sign_in(house, "vie")
    monkeypatch.setattr("console.users.SESSION_SECONDS", -1)
    assert house.get("/api/v1/me").status_code == 401


def test_cookies_are_out_of_reach(house: TestClient) -> None:
    answer = house.post("/sign-in", data={"name": "vie", "password": PASSWORD}, headers=OWN)
    cookie = answer.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=lax" in cookie, "links of other sites find people signed in"
    assert PASSWORD not in str(answer.headers)


def test_other_sites_change_nothing(client: TestClient) -> None:
    body = {"act": "confirm", "track": 1}
    for headers in (
        {},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://["},
    ):
        answer = client.post("/api/v1/acts", json=body, headers=headers)
        assert answer.status_code == 403
        assert client.post("/acts", data=body, headers=headers).status_code == 403
    for own in ("http://127.0.0.1", "https://127.0.0.1"):  # the second behind a proxy
        assert client.post("/api/v1/acts", json=body, headers={"Origin": own}).status_code == 200


def test_no_reading_changes_anything(make: Make) -> None:
    """Cookies come with links of other sites: all that changes something must be sent."""
    routes = [r for r in (*pages.router.routes, *api.router.routes) if isinstance(r, APIRoute)]
    changes = {r.path for r in routes if r.methods - {"GET", "HEAD"}}
    assert {"/acts", "/api/v1/acts", "/sign-out", "/holds"} <= changes
    house = make(sign_in=True)
    for path in changes:
        place = re.sub("{[^}]*}", "1", path)
        for method in ("POST", "DELETE"):
            form = {"name": "ada", "password": PASSWORD}
            answer = house.request(
                method, place, data=form, headers={"Origin": "https://evil.example"}
            )
            assert answer.status_code in (403, 405), (method, path)


def test_other_names_are_not_answered(client: TestClient) -> None:
    for host in ("evil.example", "evil.example:80", "127.0.0.1.evil.example", "", "[::2]", "[x"):
        answer = client.get("/", headers={"Host": host})
        assert answer.status_code == 400
        assert answer.text.startswith("this console is known as localhost, 127.0.0.1, [::1]")
    said = client.get("/", headers={"Host": "cams.example:80"}).text
    assert ", not as cams.example: start it with --name cams.example if" in said
    for host in ("localhost:8080", "LOCALHOST", "[::1]:8080", "127.0.0.1"):
        assert client.get("/", headers={"Host": host}).status_code == 200


def test_nobody_is_sent_to_another_site(house: TestClient) -> None:
    for then in ("https://evil.example", "//evil.example", "/\\evil.example"):
        form = {"name": "vie", "password": PASSWORD, "then": then}
        answer = house.post("/sign-in", data=form, headers=OWN)
        assert answer.headers["location"] == "/"


def test_headers_stand_on_every_answer(client: TestClient) -> None:
    for path in ("/", "/api/v1/gallery", "/nothing", "/static/console.css"):
        headers = client.get(path).headers
        assert "default-src 'none'" in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
    assert client.get("/identities/1").headers["cache-control"] == "private, no-store"


def test_a_query_is_its_owners(house: TestClient) -> None:
    sign_in(house, "vie")
    picture = png(np.full((256, 100, 3), 90, np.uint8))
    made = house.post("/api/v1/queries", files={"picture": picture}, headers=OWN).json()
    assert house.get(f"/api/v1/queries/{made['id']}/picture").status_code == 200
    sign_in(house, "ope")
    assert house.get(f"/api/v1/queries/{made['id']}/picture").status_code == 404


def test_addresses_that_can_be_shared(house: TestClient, crops: dict, gallery: Gallery) -> None:
    sign_in(house, "vie")
    sent = house.post("/search", files={"picture": png(crops[1, 0])}, headers=OWN)
    address = sent.headers["location"]
    page = house.get(address)
    assert page.text == house.get(address).text, "it can be reloaded"
    (lasting,) = re.findall(r'<a href="(/search\?like=[0-9]+)">The same with', page.text)
    before = len(gallery.audit.entries("search"))
    sign_in(house, "ope")
    refused = house.get(address)
    assert refused.status_code == 404
    assert "shown to its sender alone" in refused.text
    shared = house.get(lasting)
    assert shared.status_code == 200
    assert "Identity 2" in shared.text.partition("result 2")[0]
    assert len(gallery.audit.entries("search")) == before + 1
    gone = house.get("/search?query=of-an-earlier-start")
    assert gone.status_code == 404
    assert "send it again" in gone.text


def test_only_who_did_it_undoes_it(house: TestClient, gallery: Gallery) -> None:
    sign_in(house, "ope")
    body = {"act": "confirm", "track": 1}
    undo = house.post("/api/v1/acts", json=body, headers=OWN).json()["undo"]
    sign_in(house, "adm")
    assert house.post("/api/v1/acts", json=undo, headers=OWN).status_code == 404
    sign_in(house, "ope")
    assert house.post("/api/v1/acts", json=undo, headers=OWN).status_code == 200
    assert gallery.people.judgements().confirmed == {}


def test_passwords_are_long_and_hashed(gallery: Gallery) -> None:
    from console import ConsoleError

    with pytest.raises(ConsoleError, match="10 characters"):
        hash_password("short")
    assert PASSWORD not in hash_password(PASSWORD)
