"""The JSON API: all that the pages can do."""

from __future__ import annotations

import re
import struct
import zlib
from io import BytesIO
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pytest
from fastapi.testclient import TestClient
from PIL import Image

from console.uploads import MOST_BYTES
from storage import Gallery

from .conftest import OWN, PEOPLE, frame_of, png

Crops = dict[tuple[int, int], np.ndarray]


def send(client: TestClient, data: bytes, **form: object) -> dict:
    answer = client.post("/api/v1/queries", files={"picture": data}, data=form, headers=OWN)
    assert answer.status_code == 201, answer.text
    return answer.json()


def act(client: TestClient, **body: object) -> dict:
    answer = client.post("/api/v1/acts", json=body, headers=OWN)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_a_crop_finds_its_person_far_away(client: TestClient, crops: Crops) -> None:
    for who in range(PEOPLE):
        query = send(client, png(crops[who, 0]))
        assert query["people"] == []
        assert query["level"] == 4
        found = client.get("/api/v1/search", params={"query": query["id"]}).json()
        assert found["hits"][0]["identity"] == who + 1
        assert {p["camera"] for p in found["hits"][0]["places"]} == {"near", "far"}
        picture = client.get(f"/api/v1/queries/{query['id']}/picture")
        assert picture.headers["content-type"] == "image/jpeg"


def test_an_enlarged_picture_says_its_height(client: TestClient, crops: Crops) -> None:
    assert send(client, png(crops[0, 0]), height=30)["level"] == 1


def test_somebody_is_picked_in_a_frame(client: TestClient, crops: Crops) -> None:
    query = send(client, png(frame_of(crops[3, 0], crops[1, 0])))
    assert len(query["people"]) == 2
    assert query["level"] is None
    refused = client.get("/api/v1/search", params={"query": query["id"]})
    assert refused.status_code == 422
    assert "2 people are in this picture" in refused.json()["detail"]
    for place, who in ((0, 3), (1, 1)):
        picked = client.post(f"/api/v1/queries/{query['id']}/people/{place}", headers=OWN).json()
        found = client.get("/api/v1/search", params={"query": picked["id"]}).json()
        assert found["hits"][0]["identity"] == who + 1
    assert client.post(f"/api/v1/queries/{query['id']}/people/2", headers=OWN).status_code == 422
    one = send(client, png(frame_of(crops[2, 0])))
    assert one["people"] == []
    assert one["level"] == 4
    nobody = client.post(
        "/api/v1/queries", files={"picture": png(frame_of()[:, :150].repeat(3, 1))}, headers=OWN
    )
    assert "nobody was found" in nobody.json()["detail"]


def test_searches_onward_with_filters_and_pages(client: TestClient, gallery: Gallery) -> None:
    far = next(t for t in gallery.tracks(looks=0) if t.camera == "far")
    seen = gallery.observations(far.id)[0].id
    found = client.get("/api/v1/search", params={"like": [seen, seen + 1], "camera": "near"}).json()
    assert len(found["hits"]) == PEOPLE
    assert {h["best"]["camera"] for h in found["hits"]} == {"near"}
    first = client.get("/api/v1/search", params={"like": seen, "top": 2}).json()
    rest = client.get("/api/v1/search", params={"like": seen, "top": 9, "page": first["next"]})
    numbers = [h["identity"] for h in [*first["hits"], *rest.json()["hits"]]]
    assert sorted(numbers) == list(range(1, PEOPLE + 1))
    assert client.get("/api/v1/search", params={"like": seen, "after": 2e9}).json()["hits"] == []
    for wrong, code in (
        ({}, 422),
        ({"like": 999_999}, 404),
        ({"query": "gone"}, 404),
        ({"like": seen, "camera": "door"}, 404),
        ({"like": seen, "page": "x"}, 422),
        ({"like": seen, "top": 0}, 422),
    ):
        answer = client.get("/api/v1/search", params=wrong)
        assert answer.status_code == code, answer.text
        assert answer.json()["detail"]


def test_filters_and_what_a_hit_says(client: TestClient, gallery: Gallery, crops: Crops) -> None:
    query = send(client, png(crops[2, 0]))["id"]
    sharp = client.get("/api/v1/search", params={"query": query, "min_level": 4}).json()
    assert {h["best"]["level"] for h in sharp["hits"]} == {4}
    assert {h["best"]["camera"] for h in sharp["hits"]} == {"near"}
    early = client.get("/api/v1/search", params={"query": query, "before": 1e9 + 30}).json()
    assert {h["best"]["camera"] for h in early["hits"]} == {"near"}
    page = client.get("/search", params={"query": query}).text
    top = page.partition('aria-label="result 2"')[0]
    for said in ("Identity 3", "compared at level 4", "near", "far", "2001-09-09 01:46:40"):
        assert said in top
    assert re.search(r"9[0-9]\.[0-9] %", top)


def test_evidence_is_told_by_pair_of_tracks_and_level(client: TestClient, gallery: Gallery) -> None:
    tracks = gallery.browse.identity(3).tracks
    (pair,) = client.get("/api/v1/identities/3").json()["pairs"]
    assert (pair["one"], pair["other"]) == tuple(sorted(tracks))
    assert pair["level"] == 1, "far is 40 px"
    assert pair["evidence"] > 0
    assert f"{pair['evidence']:+.1f} nats" in client.get("/identities/3").text


def test_pictures_are_served_and_no_other_file(client: TestClient, gallery: Gallery) -> None:
    track = gallery.tracks(looks=0)[0]
    crop = gallery.observations(track.id)[0].crop
    assert crop is not None
    assert client.get(f"/api/v1/crops/{crop}").content == gallery.crop(crop)
    for name in ("0" * 64, "x" * 64, "..%2f..%2fg.db"):
        assert client.get(f"/api/v1/crops/{name}").status_code in (404, 422)


def test_what_people_say_is_kept_and_taken_back(client: TestClient, gallery: Gallery) -> None:
    def held() -> dict[int, int | None]:
        return {t.id: t.identity for t in gallery.tracks(looks=0)}

    before = held()
    track = min(before)
    mine = before[track]
    for body in (
        {"act": "confirm", "track": track},
        {"act": "reject", "track": track},
        {"act": "split", "identity": mine, "tracks": [track]},
    ):
        done = act(client, **body)
        assert done["said"]
        act(client, **done["undo"])
        assert held() == before
    done = act(client, act="merge", identity=1, others=[2])
    assert len(client.get("/api/v1/identities/1").json()["every"]) == 4
    act(client, **done["undo"])
    assert held() == before
    said = gallery.people.judgements()
    assert (said.confirmed, said.rejected) == ({}, set())
    again = client.post("/api/v1/acts", json=done["undo"], headers=OWN)
    assert again.status_code == 404
    assert "nothing to undo" in again.json()["detail"]
    assert gallery.check() == []
    for wrong, code in (
        ({"act": "confirm"}, 422),
        ({"act": "confirm", "track": 999}, 404),
        ({"act": "merge", "identity": 1}, 422),
        ({"act": "split", "identity": 77, "tracks": [1]}, 404),
        ({"act": "burn", "track": 1}, 422),
    ):
        assert client.post("/api/v1/acts", json=wrong, headers=OWN).status_code == code


def test_what_has_changed_since_is_not_undone(client: TestClient, gallery: Gallery) -> None:
    done = act(client, act="reject", track=1)
    act(client, act="assign", track=1, identity=2)
    refused = client.post("/api/v1/acts", json=done["undo"], headers=OWN)
    assert refused.status_code == 409
    assert "track 1 has changed since" in refused.json()["detail"]
    assert gallery.people.judgements().confirmed == {1: 2}


def test_what_was_shown_is_judged_and_nothing_else(client: TestClient, gallery: Gallery) -> None:
    _, one, *_ = client.get("/review").text.split('action="/acts"')
    form = dict(re.findall('name="(\\w+)" value="(\\w*)"', one))
    track, shown = int(form["track"]), int(form["identity"])
    act(client, act="assign", track=track, identity=shown % PEOPLE + 1)
    said = gallery.people.judgements()
    for name in ("confirm", "reject"):
        page = client.post("/acts", data=form | {"act": name}, headers=OWN)
        body = {"act": name, "track": track, "identity": shown}
        for refused in (page, client.post("/api/v1/acts", json=body, headers=OWN)):
            assert refused.status_code == 409
            assert f"it was shown as {shown}: look again" in refused.text
    assert gallery.people.judgements() == said
    act(client, act="reject", track=track, identity=shown % PEOPLE + 1)
    assert client.post("/api/v1/acts", json=body, headers=OWN).status_code == 409


def test_the_least_certain_links_come_first(client: TestClient, gallery: Gallery) -> None:
    left = client.get("/api/v1/review").json()["left"]
    assert left == 2 * PEOPLE
    order = []
    while (found := client.get("/api/v1/review").json())["next"]:
        doubt = found["next"]
        assert doubt["one"]["track"] == doubt["track"] != doubt["other"]["track"]
        order.append(doubt["evidence"])
        act(client, act="confirm", track=doubt["track"])
    assert order == sorted(order)
    assert len(order) == left
    assert found["left"] == 0


def test_an_assignment_goes_back_to_where_the_track_was(
    client: TestClient, gallery: Gallery
) -> None:
    track = gallery.browse.identity(1).tracks[0]
    done = act(client, act="assign", track=track, identity=2)
    assert gallery.browse.identity_of([track]) == {track: 2}
    act(client, **done["undo"])
    assert gallery.browse.identity_of([track]) == {track: 1}
    assert gallery.people.judgements().rejected == set()


def test_links_that_were_put_off_are_not_forgotten(client: TestClient) -> None:
    passed: list[int] = []
    while doubt := (found := client.get("/api/v1/review", params={"passed": passed}).json())[
        "next"
    ]:
        passed.append(doubt["track"])
    assert len(passed) == found["left"] == 2 * PEOPLE
    form = {"act": "confirm", "track": passed[0], "back": "review", "passed": passed[1:]}
    moved = client.post("/acts", data=form, headers=OWN)
    assert parse_qs(urlsplit(moved.headers["location"]).query)["passed"] == [*map(str, passed[1:])]
    shown = client.get(moved.headers["location"]).text
    assert f"{2 * PEOPLE - 1} links are left that were put off" in shown
    forms = shown.split('action="/acts"')
    assert forms[1].count('name="passed"') == 2 * PEOPLE - 1, "undo does not forget them"
    (name,) = re.findall('name="of" value="([^"]+)"', forms[1])
    client.post("/api/v1/acts", json={"act": "undo", "of": name}, headers=OWN)
    page = client.get("/review", params={"passed": passed}).text
    assert f"{2 * PEOPLE} links are left that were put off" in page


def test_some_are_passed_over(client: TestClient) -> None:
    first = client.get("/api/v1/review").json()["next"]["track"]
    assert client.get("/api/v1/review", params={"passed": first}).json()["next"]["track"] != first


def test_erasing_says_before_what_goes(client: TestClient, gallery: Gallery) -> None:
    going = client.get("/api/v1/identities/2/removal").json()
    assert going == {"tracks": 2, "observations": 4, "crops": 4}
    wrong = client.post("/api/v1/identities/2/erase", json={"observations": 3}, headers=OWN)
    assert wrong.status_code == 409
    made = client.post("/api/v1/holds", json={"reason": "case", "identity": 2}, headers=OWN).json()
    body = {"observations": 4}
    held = client.post("/api/v1/identities/2/erase", json=body, headers=OWN)
    assert held.status_code == 409
    assert "legal hold" in held.json()["detail"]
    assert client.delete(f"/api/v1/holds/{made['id']}", headers=OWN).status_code == 204
    assert client.post("/api/v1/identities/2/erase", json=body, headers=OWN).json() == going
    assert client.get("/api/v1/identities/2").status_code == 404
    assert client.get("/api/v1/gallery").json()["identities"] == PEOPLE - 1


def test_nine_of_many_people_have_keys(client: TestClient, crops: Crops) -> None:
    query = send(client, png(frame_of(*[crops[who % PEOPLE, who % 2] for who in range(11)])))
    page = client.get("/search", params={"query": query["id"]}).text
    assert re.findall('data-key="([^"]+)"', page) == [*"123456789"]
    assert "Person 11 from the left" in page


def test_a_name_with_a_slash_leaves_the_watch_list(client: TestClient, gallery: Gallery) -> None:
    seen = gallery.browse.best([1])[1].id
    client.post("/api/v1/watchlist", json={"name": "gate/north", "like": [seen]}, headers=OWN)
    for name in ("gate%2Fnorth", "gate/north"):
        code = client.delete(f"/api/v1/watchlist/{name}", headers=OWN).status_code
        assert code == (204 if "%" in name else 404)
    assert gallery.watchlist.persons() == []


def test_alerts_come_in_pages(client: TestClient, gallery: Gallery) -> None:
    seen = gallery.browse.best([1])[1]
    for n in range(100):
        gallery.watchlist.raise_alert(
            f"no {n:02d}", seen.track, seen.time, 7.5, 5.0, seen.crop, send=False
        )
    place, told = "/watchlist", []
    while place:
        page = client.get(place).text
        found = re.findall("<b>no ([0-9]+)</b>", page)
        assert len(found) <= 48
        assert page.count('loading="lazy"') == len(found)
        told += found
        (place,) = re.findall('href="(/watchlist[?][^"]*)">Earlier', page) or [""]
    assert [*map(int, told)] == [*range(99, -1, -1)]


def test_without_a_picture(client: TestClient) -> None:
    assert re.search('<input type="file" [^>]*required>', client.get("/").text)
    for files in ({}, {"picture": ("", b"")}, {"picture": ("p.png", b"")}):
        answer = client.post("/search", data={"camera": "near"}, files=files, headers=OWN)
        assert answer.status_code == 422
        assert "choose a picture first" in answer.text


def test_pictures_in_memory_are_bounded(
    client: TestClient, crops: Crops, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = (send(client, png(crops[who, 0]))["id"] for who in (0, 1))
    monkeypatch.setattr("console.state.MOST_BYTES", 2 * crops[0, 0].nbytes)
    third = send(client, png(crops[2, 0]))["id"]
    kept = [client.get(f"/api/v1/queries/{q}/picture").status_code for q in (first, second, third)]
    assert kept == [404, 200, 200]


def _bomb(width: int, height: int) -> bytes:
    packer = zlib.compressobj(9)
    rows = b"".join(packer.compress(bytes(3 * width + 1)) for _ in range(height))

    def chunk(kind: bytes, data: bytes) -> bytes:
        check = struct.pack(">I", zlib.crc32(kind + data))
        return struct.pack(">I", len(data)) + kind + data + check

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    body = chunk(b"IDAT", rows + packer.flush())
    return b"\x89PNG\r\n\x1a\n" + head + body + chunk(b"IEND", b"")


def _animation(kind: str) -> bytes:
    images = [Image.new("RGB", (20, 40), colour) for colour in ("red", "blue")]
    out = BytesIO()
    images[0].save(out, kind, save_all=True, append_images=images[1:])
    return out.getvalue()


@pytest.mark.parametrize(
    ("data", "code", "said"),
    [
        (b"", 415, "no picture"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", 415, "no picture"),
        (png(np.zeros((40, 20, 3), np.uint8))[:60], 415, "picture"),
        (_bomb(12_000, 9_000), 413, "12000 x 9000 pixels"),
        (_animation("WEBP"), 415, "animation"),
        (_animation("PNG"), 415, "animation"),
        (_animation("GIF"), 415, "no picture"),
        (bytes(MOST_BYTES + 1), 413, "20 MB"),
    ],
    ids=["empty", "svg", "cut short", "bomb", "webp", "apng", "gif", "large"],
)
def test_pictures_that_are_refused(client: TestClient, data: bytes, code: int, said: str) -> None:
    answer = client.post("/api/v1/queries", files={"picture": data}, headers=OWN)
    assert answer.status_code == code
    assert said in answer.json()["detail"]
