"""The site in a real browser: accessible, whole at every width, and usable by keyboard."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from typing import Any

import pytest

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
pytestmark = [
    pytest.mark.browser,
    pytest.mark.xdist_group("browser"),
    pytest.mark.skipif(
        CHROMIUM is None and "CI" not in os.environ, reason="no Chromium on this machine"
    ),
]
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
PAGES = [
    "/",
    "/search/",
    "/search/?q=watermark&kind=attack",
    "/search/?stage=nowhere",
    "/stages/deployment/",
    "/categories/6-1-deployment-safety/",
    "/risks/",
    "/risks/adversarial-suffix/",
    "/papers/arxiv:2307.15043/",
    "/mitigations/",
    "/mitigations/perplexity-filter/",
    "/runs/",
    "/coverage/",
    "/directions/",
    "/directions/agent-systems/",
    "/frameworks/",
    "/frameworks/owasp-llm/",
    "/about/",
    "/accounts/login/",
    "/accounts/reset/",
    "/changesets/",
    "/changes/",
    "/releases/",
    "/releases/1/",
    "/history/risk/adversarial-suffix/",
    "/risks/adversarial-suffix/?release=1",
    "/papers/arxiv:2307.15043/?release=1",
    "/search/?release=1&risk=adversarial-suffix",
    "/directions/?release=1",
    "/releases/1/to/1/",
]
LOOKS = [(1280, "light"), (390, "dark"), (320, "light")]


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    # Playwright's event loop makes Django take the test for asynchronous code.
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield chromium
        chromium.close()
    del os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"]


@pytest.fixture
def forget_runs(django_db_blocker: Any) -> Iterator[None]:
    """The site really stores what is asked of it; other tests start without runs."""
    yield
    from evals.models import Run

    with django_db_blocker.unblock():
        Run.objects.all().delete()


def visit(browser: Any, address: str, width: int = 1280, scheme: str = "light", **more: Any) -> Any:
    context = browser.new_context(
        viewport={"width": width, "height": 900}, color_scheme=scheme, **more
    )
    page = context.new_page()
    page.troubles = []
    page.on("pageerror", lambda error: page.troubles.append(str(error)))
    page.on("console", lambda m: page.troubles.append(m.text) if m.type == "error" else None)
    page.goto(address)
    return page


@pytest.mark.parametrize("address", PAGES)
def test_pages_are_accessible_and_fit(browser: Any, site: str, address: str) -> None:
    from axe_playwright_python.sync_playwright import Axe

    for width, scheme in LOOKS:
        page = visit(browser, site + address, width, scheme)
        troubles = list(page.troubles)  # axe itself tries styles that the policy forbids
        found = Axe().run(page).response["violations"]
        assert not found, [(v["id"], v["nodes"][0]["html"][:120]) for v in found]
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), (width, address)
        assert not [t for t in troubles if "400 (Bad" not in t], troubles
        page.context.close()


def test_typing_brings_results_and_a_shareable_address(browser: Any, site: str) -> None:
    page = visit(browser, f"{site}/search/")
    page.keyboard.press("/")
    page.locator("main input[type=search]").fill("watermark")
    page.wait_for_url("**q=watermark**")
    page.wait_for_selector("#results mark, #results h3")
    shown = page.inner_text("[data-announce]")
    again = visit(browser, page.url)
    assert again.inner_text("[data-announce]") == shown
    assert page.inner_text("#announce").split(" paper")[0] in shown
    page.keyboard.press("ArrowDown")
    assert "atermark" in page.evaluate("document.activeElement.textContent")
    assert not page.troubles


def test_facets_narrow_and_widen_without_javascript(browser: Any, site: str) -> None:
    page = visit(browser, f"{site}/search/", java_script_enabled=False)
    before = page.inner_text("[data-announce]")
    page.click(".facet a >> text=benchmark")
    assert "kind=benchmark" in page.url
    assert page.inner_text("[data-announce]") != before
    page.click(".facet a[aria-current]")
    assert page.inner_text("[data-announce]") == before


@pytest.mark.usefixtures("forget_runs")
def test_a_reader_gets_from_the_map_to_a_run(browser: Any, site: str) -> None:
    page = visit(browser, site)
    page.click(".matrix a >> text=Deployment")
    page.click("text=Adversarial suffix jailbreak")
    page.click("tr:has-text('Perplexity filter') .tag.runs")
    page.fill("#id_n", "33")
    page.fill("#id_search_steps", "0")
    page.click("button >> text=Run")
    page.wait_for_selector("text=Waiting for a worker")
    page.click("text=Cancel")
    page.wait_for_selector("text=was cancelled")


def test_the_documentation_of_the_api_opens(browser: Any, site: str) -> None:
    page = visit(browser, f"{site}/api/v1/docs/")
    page.wait_for_selector("text=/api/v1/papers/")
    assert not page.troubles
