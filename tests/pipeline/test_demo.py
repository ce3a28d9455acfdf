"""The demo keeps its promises, and the README's Python runs on what it leaves."""

import re
from pathlib import Path

import pytest
from playwright.sync_api import expect, sync_playwright

from console.state import Console
from pipeline.demo import DemoResult, demo
from reid import Embedder
from samples import Scene
from storage import Gallery

from ..console.serving import CHROMIUM, Served, needs_chromium

README = Path(__file__).parents[2] / "README.md"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def result(folder: Path) -> DemoResult:
    return demo(folder / "demo")


def test_the_figures_of_the_demo(result: DemoResult) -> None:
    recall = result.detection_recall
    assert recall["near"] >= 0.9
    assert recall["middle"] >= 0.9
    assert recall["far"] >= 0.8
    assert result.idf1 >= 0.85
    assert result.search_rank1 >= 8
    assert set(result.to_json()) >= {"detection_recall", "idf1", "search_rank1", "seconds"}


def test_the_pages_and_videos_of_the_demo(result: DemoResult, folder: Path) -> None:
    assert "data:image/jpeg" in result.report.read_text()
    assert "compared at level" in result.search_page.read_text()
    for camera in Scene().cameras:
        assert (folder / "demo" / f"{camera}.mp4").stat().st_size > 100_000


def test_the_readme_runs(
    result: DemoResult, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.chdir(folder)
    (code,) = re.findall(r"```python\n(.*?)```", README.read_text(), re.DOTALL)
    exec(compile(code, "README.md", "exec"), {})
    printed = capsys.readouterr().out.splitlines()
    assert any("'near', 'far'" in line or "'far', 'near'" in line for line in printed)
    assert re.match(r"(True|False) \d+ 0\.\d+", printed[-1])


@needs_chromium
def test_four_clicks_to_the_near_camera(result: DemoResult, folder: Path) -> None:
    """As docs/console.md and the README say, by somebody who only clicks."""
    embedder = Embedder.load(device="cpu")
    with (
        Gallery.open(folder / "demo" / "nearfar.db", model=embedder.info) as gallery,
        Served(Console(gallery, embedder)) as url,
        sync_playwright() as tools,
    ):
        browser = tools.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        try:
            page = browser.new_page()
            page.goto(url)
            page.get_by_role("link", name="Identities", exact=True).click()
            both = page.locator("section", has=page.get_by_text("far", exact=True))
            both = both.filter(has=page.get_by_text("near", exact=True)).first
            name = both.get_by_role("link", name="Identity").inner_text()
            both.get_by_role("link", name="Identity").click()
            far = page.locator("figure", has_text="far")
            far.get_by_role("link", name="search with this").click()
            found = page.get_by_role("region", name="result 1", exact=True)
            expect(found).to_contain_text(name)
            near = found.locator("figure", has_text="near")
            expect(near.locator("img")).to_be_visible()
            near.get_by_role("link", name="search with this").click()
            expect(page.locator(".drop figcaption")).to_contain_text("near, ")
        finally:
            browser.close()
