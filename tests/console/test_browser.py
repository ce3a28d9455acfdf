"""The pages in a real browser, as people use them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from threading import Event

import cv2
import numpy as np
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, Route, expect

from console.models import LiveOut
from console.state import Console
from console.users import hash_password
from console.watching import Live
from pipeline import Detector
from reid import Embedder
from storage import Account, Gallery, ObservationRow, TrackUpdate

from .conftest import PEOPLE, Blocks, frame_of, png
from .serving import Served, needs_chromium

pytestmark = needs_chromium
Crops = dict[tuple[int, int], np.ndarray]
PASSWORD = "correct horse battery"
PATIENCE = 5000
"""Milliseconds, as in console.js."""


@pytest.fixture
def url(gallery: Gallery, embedder: Embedder) -> Iterator[str]:
    with Served(Console(gallery, embedder, Detector(Blocks()))) as url:
        yield url


@pytest.fixture
def page(url: str, page: Page) -> Page:
    """A page that is closed before its server, of which it may still want pictures."""
    return page


def picture(tmp_path: Path, image: np.ndarray) -> Path:
    file = tmp_path / "picture.png"
    file.write_bytes(png(image))
    return file


def first_hit(page: Page) -> str:
    return page.locator(".results section").first.locator(".head b").inner_text()


def test_from_a_far_picture_to_the_near_camera(
    page: Page, url: str, crops: Crops, tmp_path: Path
) -> None:
    far = cv2.resize(crops[2, 2], (20, 40), interpolation=cv2.INTER_AREA)
    page.goto(url)
    page.set_input_files("#picture", picture(tmp_path, far))
    expect(page.locator(".results section")).to_have_count(PEOPLE)
    assert first_hit(page) == "Identity 3"
    assert "query=" in page.url
    page.reload()
    assert first_hit(page) == "Identity 3"
    near = page.locator(".results section").first.locator("figure", has_text="near")
    near.get_by_role("link", name="search with this").click()
    page.wait_for_url(re.compile("/search.like=[0-9]+$"))
    assert first_hit(page) == "Identity 3"
    page.get_by_role("link", name="also the person: add this picture").nth(0).click()
    page.wait_for_url("**like=*like=*")
    page.get_by_text("Camera, time and size").click()
    page.select_option("#camera", "far")
    page.get_by_role("button", name="Search again").click()
    page.wait_for_url("**camera=far*")
    assert first_hit(page) == "Identity 3"
    page.locator(".results section").first.get_by_role("link", name="Identity 3").click()
    expect(page.get_by_role("heading", name="Identity 3")).to_be_visible()


def test_four_clicks_from_a_far_person_to_the_near_camera(page: Page, url: str) -> None:
    page.goto(url)
    page.get_by_role("link", name="Identities", exact=True).click()
    page.get_by_role("link", name="Identity 2").click()
    page.locator("figure", has_text="far").get_by_role("link", name="search with this").click()
    page.wait_for_url("**/search?like=*")
    assert first_hit(page) == "Identity 2"
    near = page.locator(".results section").first.locator("figure", has_text="near")
    near.get_by_role("link", name="search with this").click()
    expect(page.locator(".drop figure")).to_contain_text("near, 256 px")


def test_without_scripts(browser: Browser, url: str, crops: Crops, tmp_path: Path) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(url)
    page.set_input_files("#picture", picture(tmp_path, crops[4, 0]))
    page.get_by_role("button", name="Search").click()
    assert first_hit(page) == "Identity 5"
    page.get_by_role("link", name="Review").click()
    page.get_by_role("button", name="Same").click()
    expect(page.locator("main")).to_contain_text(f"{2 * PEOPLE - 1} links to judge")
    context.close()


def test_pasting_a_picture(page: Page, url: str, crops: Crops) -> None:
    page.goto(url)
    page.evaluate(
        """(bytes) => {
          const files = new DataTransfer();
          files.items.add(new File([new Uint8Array(bytes)], "p.png", {type: "image/png"}));
          const paste = new ClipboardEvent("paste", {clipboardData: files, bubbles: true});
          document.dispatchEvent(paste);
        }""",
        list(png(crops[1, 0])),
    )
    expect(page.locator(".results section")).to_have_count(PEOPLE)
    assert first_hit(page) == "Identity 2"


def test_dropping_a_picture(page: Page, url: str, crops: Crops) -> None:
    page.goto(url)
    page.evaluate(
        """(bytes) => {
          const files = new DataTransfer();
          files.items.add(new File([new Uint8Array(bytes)], "p.png", {type: "image/png"}));
          for (const kind of ["dragover", "drop"])
            document.body.dispatchEvent(
              new DragEvent(kind, {dataTransfer: files, bubbles: true, cancelable: true}));
        }""",
        list(png(crops[3, 0])),
    )
    expect(page.locator(".results section")).to_have_count(PEOPLE)
    assert first_hit(page) == "Identity 4"


def test_picking_somebody_in_a_frame(page: Page, url: str, crops: Crops, tmp_path: Path) -> None:
    page.goto(url)
    page.set_input_files("#picture", picture(tmp_path, frame_of(crops[3, 0], crops[0, 0])))
    expect(page.locator("rect[data-person]")).to_have_count(2)
    page.locator("rect[data-person]").nth(1).click()
    expect(page.locator(".results section")).to_have_count(PEOPLE)
    assert first_hit(page) == "Identity 1"
    page.go_back()
    expect(page.locator("rect[data-person]")).to_have_count(2)
    page.keyboard.press("1")
    expect(page.locator(".results section")).to_have_count(PEOPLE)
    assert first_hit(page) == "Identity 4"


def test_a_file_that_is_no_picture(page: Page, url: str, tmp_path: Path) -> None:
    file = tmp_path / "notes.png"
    file.write_text("no picture")
    context = page.context.new_page()  # the refusal is an error to the browser, and is meant
    context.goto(url)
    context.set_input_files("#picture", file)
    expect(context.get_by_role("alert")).to_contain_text("no picture that can be read")


def test_confirm_split_and_undo(page: Page, url: str, gallery: Gallery) -> None:
    page.goto(f"{url}/identities")
    page.get_by_role("link", name="Identity 4").click()
    page.get_by_role("button", name="Is the person").first.click()
    expect(page.get_by_role("status")).to_contain_text("is identity 4")
    track = gallery.browse.identity(4).tracks[1]
    page.get_by_label(str(track), exact=True).check()
    page.get_by_role("button", name="The ticked tracks are another person").click()
    expect(page.get_by_role("status")).to_contain_text("1 tracks are identity")
    assert gallery.browse.identity(4).tracks == gallery.browse.identity(4).tracks[:1]
    page.get_by_role("button", name="Undo").click()
    expect(page.get_by_role("status")).to_contain_text("Undone: 1 tracks are identity")
    assert len(gallery.browse.identity(4).tracks) == 2
    assert [e.action for e in gallery.audit.entries()] == ["confirm", "split", "undo"]


def test_ten_links_by_keyboard(page: Page, url: str, gallery: Gallery) -> None:
    page.goto(f"{url}/review")
    left = 2 * PEOPLE
    expect(page.locator("main")).to_contain_text(f"{left} links to judge")
    page.keyboard.press("s")
    expect(page.locator("main")).to_contain_text(f"{left - 1} links to judge")
    page.keyboard.press("u")
    expect(page.get_by_role("status")).to_contain_text("Undone: Track")
    page.goto(f"{url}/review")
    for done in range(1, left + 1):
        page.keyboard.press("s")
        rest = f"{left - done} links to judge" if done < left else "No link is left"
        expect(page.locator("main")).to_contain_text(rest)
    confirmed = [e.action for e in gallery.audit.entries()].count("confirm")
    assert confirmed == left + 1


def test_a_key_that_is_held_judges_once(page: Page, url: str, gallery: Gallery) -> None:
    def late(route: Route) -> None:
        page.wait_for_timeout(300)
        route.continue_()

    page.goto(f"{url}/review")
    for _ in range(5):
        page.keyboard.down("s")
    expect(page.locator("main")).to_contain_text(f"{2 * PEOPLE - 1} links to judge")
    page.keyboard.down("s")
    page.keyboard.up("s")
    assert len(gallery.audit.entries("confirm")) == 1
    page.route("**/acts", late)
    for _ in range(3):
        page.keyboard.press("s")
    expect(page.locator("main")).to_contain_text(f"{2 * PEOPLE - 2} links to judge")
    assert len(gallery.audit.entries("confirm")) == 2


def test_watching_for_somebody(page: Page, url: str, gallery: Gallery) -> None:
    page.goto(f"{url}/identities/2")
    page.get_by_label("Look for this person as").fill("lost child")
    page.get_by_role("button", name="Watch for").click()
    expect(page.get_by_role("status")).to_contain_text("lost child is looked for, by 2 pictures")
    page.get_by_role("button", name="Look no more for lost child").click()
    expect(page.get_by_role("status")).to_contain_text("no longer looked for")
    assert gallery.watchlist.persons() == []


def store_somebody(gallery: Gallery) -> None:
    """A track of the near camera that nobody has linked."""
    session = next(s for s in gallery.sessions() if s.camera == "near")
    crop = gallery.browse.best([1])[1]
    assert crop.crop is not None
    row = ObservationRow(2, 1e9 + 100, (0, 0, 20, 40), 0.9, 1, 0.9, crop=gallery.crop(crop.crop))
    gallery.append(session.id, 3, 0, [TrackUpdate(77, [row])], "done")


def test_what_is_stored_before_the_events_begin_is_shown(
    page: Page, url: str, gallery: Gallery
) -> None:
    def late(route: Route) -> None:
        store_somebody(gallery)
        route.continue_()

    page.route("**/live/events", late)
    page.goto(f"{url}/live")
    near = page.get_by_role("region", name="camera near")
    expect(near.locator("figure").first).to_contain_text("not yet known")


def test_the_live_page_follows_what_is_stored(page: Page, url: str, gallery: Gallery) -> None:
    page.goto(f"{url}/live")
    near = page.get_by_role("region", name="camera near")
    expect(near.locator("figure")).to_have_count(PEOPLE)
    store_somebody(gallery)
    expect(near.locator("figure").first).to_contain_text("not yet known")
    track = next(t.id for t in gallery.tracks(looks=0) if t.number == 77)
    gallery.save_identities({track: "new"}, {})
    expect(near.locator("figure").first).to_contain_text("identity 6")
    page.get_by_role("link", name="Gallery").click()
    expect(page.get_by_role("heading", name="Gallery")).to_be_visible()


def test_the_live_page_says_when_it_is_not_connected(
    page: Page, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    goes_on, now = Event(), Live.now

    def held_up(live: Live) -> LiveOut:
        assert goes_on.wait(30)
        return now(live)

    monkeypatch.setattr(Live, "now", held_up)
    goes_on.set()
    page.goto(f"{url}/live")
    expect(page.get_by_role("region", name="camera near")).to_be_visible()
    page.wait_for_timeout(PATIENCE + 1000)
    expect(page.locator(".lost, #lost")).to_have_count(0)
    goes_on.clear()
    said = page.get_by_role("alert")
    expect(said).to_contain_text(re.compile("not connected since [0-9:]{8}"), timeout=10_000)
    expect(page.locator("#live.lost")).to_have_count(1)
    goes_on.set()
    expect(page.locator(".lost, #lost")).to_have_count(0)


def sign_in(page: Page, password: str = PASSWORD) -> None:
    page.get_by_label("Name").fill("ada")
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Sign in").click()


def test_the_live_page_ends_with_the_session(
    browser: Browser, gallery: Gallery, embedder: Embedder
) -> None:
    gallery.accounts.put(Account("ada", "viewer", hash_password(PASSWORD)))
    context = browser.new_context()
    page = context.new_page()
    with Served(Console(gallery, embedder), sign_in=True) as url:
        page.goto(f"{url}/live")
        sign_in(page)
        expect(page.get_by_role("region", name="camera near")).to_be_visible()
        gallery.accounts.remove("ada")
        expect(page.get_by_role("heading", name="Sign in")).to_be_visible(timeout=15_000)
        assert page.get_by_label("Name").evaluate("e => e.form.then.value") == "/live"
    context.close()


def test_erasing_asks_first(page: Page, url: str, gallery: Gallery) -> None:
    page.goto(f"{url}/identities/5")
    page.get_by_role("link", name="Erase").click()
    expect(page.locator("main")).to_contain_text("2 tracks, 4 observations and 4 pictures")
    page.get_by_role("button", name="Erase for good").click()
    expect(page.get_by_role("status")).to_contain_text("Identity 5 is erased")
    assert len(gallery.identities()) == PEOPLE - 1


def test_holds_are_placed_and_lifted(page: Page, url: str, gallery: Gallery) -> None:
    page.goto(f"{url}/identities/5")
    page.get_by_label("Forbid to remove, because of").fill("case 12/26")
    page.get_by_role("button", name="Place a legal hold").click()
    expect(page.get_by_role("status")).to_contain_text("Hold 1 is placed")
    expect(page.locator("main")).to_contain_text("identity 5, case 12/26")
    page.get_by_label("Forbid to remove").select_option("camera far")
    page.get_by_label("because of").fill("case 13/26")
    page.get_by_role("button", name="Place a legal hold").click()
    expect(page.locator("main")).to_contain_text("far, case 13/26")
    page.get_by_role("button", name="Lift hold 1").click()
    expect(page.get_by_role("status")).to_contain_text("Hold 1 is lifted")
    assert [hold.lifted is None for hold in gallery.life.holds()] == [False, True]


def test_after_a_change_the_page_can_be_loaded_again_and_gone_back_to(
    page: Page, url: str, gallery: Gallery
) -> None:
    def again(place: str, said: str) -> None:
        expect(page.get_by_role("status")).to_contain_text(said)
        assert re.fullmatch(f"{url}{place}[?]done=[^&]+", page.url)
        page.reload()
        expect(page.get_by_role("status")).to_contain_text(said)

    page.goto(f"{url}/review")
    page.keyboard.press("s")
    again("/review", "Track")
    page.keyboard.press("u")
    again("/review", "Undone: Track")
    page.goto(f"{url}/identities/1")
    page.get_by_role("button", name="Is the person").first.click()
    again("/identities/1", "is identity 1")
    page.get_by_label("The same person as identity").fill("2")
    page.get_by_role("button", name="Merge").click()
    again("/identities/1", "now includes 2")
    page.go_back()
    expect(page.get_by_role("status")).to_contain_text("is identity 1")
    page.get_by_label("Look for this person as").fill("lost child")
    page.get_by_role("button", name="Watch for").click()
    again("/watchlist", "is looked for")
    page.get_by_role("button", name="Look no more for lost child").click()
    again("/watchlist", "no longer looked for")
    page.goto(f"{url}/gallery")
    page.get_by_label("because of").fill("case")
    page.get_by_role("button", name="Place a legal hold").click()
    again("/gallery", "Hold 1 is placed")
    page.get_by_role("button", name="Lift hold 1").click()
    again("/gallery", "Hold 1 is lifted")
    page.goto(f"{url}/identities/3/erase")
    page.get_by_role("button", name="Erase for good").click()
    again("/gallery", "Identity 3 is erased")
    page.goto(f"{url}/identities/4")
    page.get_by_role("button", name="Is not").first.click()
    expect(page.get_by_role("button", name="Is not")).to_have_count(1)
    page.get_by_role("button", name="Is not").click()
    page.wait_for_url(re.compile("/identities.done="))
    again("/identities", "is not identity 4")


def test_a_refusal_leaves_the_address(browser: Browser, url: str, gallery: Gallery) -> None:
    context = browser.new_context()  # the refusal is an error to the browser, and is meant
    page = context.new_page()
    page.goto(f"{url}/identities/1")
    page.get_by_label("The same person as identity").fill("77")
    page.get_by_role("button", name="Merge").click()
    expect(page.get_by_role("alert")).to_contain_text("no identity 77")
    page.reload()
    expect(page.get_by_role("heading", name="Identity 1")).to_be_visible()
    context.close()


def test_a_session_that_expired(
    browser: Browser, gallery: Gallery, embedder: Embedder, monkeypatch: pytest.MonkeyPatch
) -> None:
    gallery.accounts.put(Account("ada", "operator", hash_password(PASSWORD)))
    context = browser.new_context()
    page = context.new_page()
    with Served(Console(gallery, embedder), sign_in=True) as url:
        page.goto(url)
        sign_in(page)
        page.get_by_role("link", name="Review").click()
        expect(page.get_by_role("heading", name="Review")).to_be_visible()
        monkeypatch.setattr("console.users.SESSION_SECONDS", -1)
        page.keyboard.press("s")
        expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
        assert gallery.audit.entries("confirm") == []
        monkeypatch.undo()
        sign_in(page)
        expect(page.get_by_role("heading", name="Review")).to_be_visible()
    context.close()


def test_signing_in_and_out(browser: Browser, gallery: Gallery, embedder: Embedder) -> None:
    gallery.accounts.put(Account("ada", "viewer", hash_password(PASSWORD)))
    context = browser.new_context()
    page = context.new_page()
    with Served(Console(gallery, embedder), sign_in=True) as url:
        page.goto(f"{url}/identities/2")
        sign_in(page, "something else")
        expect(page.get_by_role("alert")).to_contain_text("don't fit")
        sign_in(page)
        expect(page.get_by_role("heading", name="Identity 2")).to_be_visible()
        gallery.accounts.remove("ada")
        page.goto(f"{url}/gallery")
        expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    context.close()


def test_after_signing_out_nothing_is_left_to_go_back_to(
    browser: Browser, gallery: Gallery, embedder: Embedder
) -> None:
    gallery.accounts.put(Account("ada", "viewer", hash_password(PASSWORD)))
    context = browser.new_context()
    page = context.new_page()
    with Served(Console(gallery, embedder), sign_in=True) as url:
        page.goto(f"{url}/identities")
        sign_in(page)
        page.get_by_role("link", name="Identity 2").click()
        expect(page.get_by_role("heading", name="Identity 2")).to_be_visible()
        page.get_by_role("link", name="Gallery").click()
        expect(page.get_by_role("heading", name="Gallery")).to_be_visible()
        page.get_by_role("button", name="Sign out").click()
        expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
        assert page.evaluate("sessionStorage.getItem('htmx-history-cache')") is None
        page.evaluate("history.go(-2)")
        page.wait_for_url(re.compile("/sign-in.then=%2Fidentities%2F2"))
        expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
        expect(page.locator("main img")).to_have_count(0)
    context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_pages_can_be_used_by_everybody(
    browser: Browser, url: str, gallery: Gallery, scheme: str
) -> None:
    """axe finds nothing serious, nothing sticks out of a phone, and no network is needed."""
    context = browser.new_context(
        viewport={"width": 390, "height": 800},
        color_scheme=scheme,  # type: ignore[arg-type]
    )
    page = context.new_page()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    seen = gallery.observations(gallery.tracks(looks=0)[0].id)[0].id
    places = (
        "/",
        f"/search?like={seen}",
        "/identities",
        "/identities/1",
        "/identities/1/erase",
        "/review",
        "/live",
        "/watchlist",
        "/gallery",
        "/api",
        "/sign-in",
        "/nothing",
    )
    for place in places:
        page.goto(url + place)
        found = Axe().run(page).response["violations"]
        serious = [v for v in found if v["impact"] in ("serious", "critical")]
        assert serious == [], place
        wide = page.evaluate("document.documentElement.scrollWidth")
        assert wide <= 390, place
    assert [address for address in asked if not address.startswith(url)] == [], "no other place"
    context.close()


def test_judging_on_a_phone(browser: Browser, url: str) -> None:
    context = browser.new_context(viewport={"width": 400, "height": 800})
    page = context.new_page()
    page.goto(f"{url}/identities/1")
    for name in ("Is the person", "Is not"):
        place = page.get_by_role("button", name=name).first.bounding_box()
        assert place is not None
        assert 0 <= place["x"] <= place["x"] + place["width"] <= 400, name
    assert page.evaluate("document.querySelector('.scroll').scrollWidth") <= 400
    context.close()


def test_the_first_page_is_light(url: str, browser: Browser) -> None:
    context = browser.new_context()
    page = context.new_page()
    sizes: list[int] = []
    page.on("response", lambda answer: sizes.append(len(answer.body())))
    page.goto(url)
    page.wait_for_load_state("networkidle")
    assert sum(sizes) < 100_000
    assert len(sizes) <= 5
    context.close()
