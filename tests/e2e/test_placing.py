"""The curators' queue in a real browser, by keyboard: take, change, refuse, the next one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from .test_browser import browser, pytestmark
from .test_curating import curator

__all__ = ["browser", "curator", "pytestmark"]
RISKS = [("watermark-removal", 0.9), ("social-bias", 0.5), ("deepfake", 0.2)]


@pytest.fixture
def waiting(site: str, django_db_blocker: Any) -> Iterator[list[str]]:
    """The keys of four papers with offers, in the order of the queue."""
    from kb.models import Decision, Offer, Paper, Training

    with django_db_blocker.unblock():
        made = Training.objects.create(digest="e" * 64, papers=1, risks=1, seconds=0)
        papers = list(Paper.objects.filter(status="suggested").order_by("key")[:4])
        offered = [{"risk": slug, "confidence": sure} for slug, sure in RISKS]
        for place, paper in enumerate(papers):
            near: list[Any] = []
            more = {"risks": offered, "kind": "attack", "neighbours": near, "gain": 99 - place}
            Offer.objects.create(paper=paper, training=made, **more)
        keys = [paper.key for paper in papers]
    yield keys
    with django_db_blocker.unblock():
        Decision.objects.filter(paper__key__in=keys).delete()
        made.delete()


@pytest.fixture
def placed(django_db_blocker: Any) -> Any:
    """How a paper stands placed by curators: {(risk, kind)}."""
    from kb.models import Placement

    def read(key: str) -> set[tuple[str, str]]:
        with django_db_blocker.unblock():
            found = Placement.objects.filter(paper__key=key, origin="curated")
            return set(found.values_list("risk__slug", "kind"))

    return read


def shown(page: Any) -> str:
    """The key of the paper that is asked about."""
    return str(page.get_attribute("form.queue", "action")).removeprefix("/queue/").rstrip("/")


def press(page: Any, *keys: str) -> None:
    """Press keys; the last one decides, and the next paper comes without a new page."""
    before = shown(page)
    for key in keys:
        page.keyboard.press(key)
    page.wait_for_selector(f"form.queue:not([action='/queue/{before}/'])")
    page.wait_for_selector("#work h2:focus")


def test_papers_are_placed_by_keyboard(
    curator: Any, site: str, waiting: list[str], placed: Any
) -> None:
    curator.goto(f"{site}/queue/")
    assert shown(curator) == waiting[0]
    press(curator, "a")
    assert placed(waiting[0]) == {("watermark-removal", "attack"), ("social-bias", "attack")}
    assert "Accepted" in curator.inner_text("#said")

    assert shown(curator) == waiting[1]
    press(curator, "2", "3", "k", "a")  # not the second risk but the third, and the next kind
    assert placed(waiting[1]) == {("watermark-removal", "defense"), ("deepfake", "defense")}
    assert "Changed" in curator.inner_text("#said")

    assert shown(curator) == waiting[2]
    press(curator, "r")
    assert placed(waiting[2]) == set()
    assert "Rejected" in curator.inner_text("#said")

    assert shown(curator) == waiting[3]
    curator.keyboard.press("n")
    curator.keyboard.type("as said")  # letters in a field are text, not commands
    assert curator.input_value("#note") == "as said"
    curator.keyboard.press("Escape")
    curator.keyboard.press("s")  # it is the last one, and comes again
    curator.wait_for_selector("text=Skipped")
    curator.wait_for_selector("text=skipped by you before")
    assert shown(curator) == waiting[3]
    assert placed(waiting[3]) == set()
    assert not curator.troubles


def test_what_was_placed_by_a_key_can_be_undone(
    curator: Any, site: str, waiting: list[str], placed: Any
) -> None:
    curator.goto(f"{site}/queue/")
    press(curator, "a")
    curator.click("text=See or undo")
    curator.click("text=Revert it whole")
    curator.click("main button >> text=Revert")
    curator.wait_for_selector("text=The undoing can be undone")
    assert placed(waiting[0]) == set()
    curator.goto(f"{site}/queue/")
    assert shown(curator) == waiting[0]


def test_the_queue_is_accessible_and_fits(curator: Any, site: str, waiting: list[str]) -> None:
    from axe_playwright_python.sync_playwright import Axe

    for width in (1280, 390):
        curator.set_viewport_size({"width": width, "height": 900})
        curator.goto(f"{site}/queue/?paper={waiting[0]}")
        found = Axe().run(curator).response["violations"]
        assert not found, [(v["id"], v["nodes"][0]["html"][:120]) for v in found]
        assert curator.evaluate("document.documentElement.scrollWidth <= innerWidth")
