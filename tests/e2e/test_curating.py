"""Curating in a real browser: forms in place, kept drafts, moves by key and by mouse."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from .test_browser import browser, pytestmark, visit

__all__ = ["browser", "pytestmark"]
STAGE = "/stages/data-preparation/"
ONE, OTHER = "2-1-pretraining-data-safety", "2-2-fine-tuning-data-safety"


@pytest.fixture
def curator(browser: Any, site: str, django_db_blocker: Any) -> Iterator[Any]:
    """A signed-in page; what it changed is undone, and the account goes."""
    from taxonomy.models import ChangeSet
    from taxonomy.operations.revert import revert
    from tests.people import person

    with django_db_blocker.unblock():
        user = person("walker")
    page = visit(browser, f"{site}/accounts/login/")
    page.fill("#id_username", "walker")
    page.fill("#id_password", "walker-password")
    page.click("main button")
    yield page
    page.context.close()
    with django_db_blocker.unblock():
        for made in ChangeSet.objects.filter(author=user, reverts=None, items__reverted_in=None):
            revert(changeset=made, by=user, note="after the test")
        ChangeSet.objects.filter(author=user).delete()
        user.delete()


def order(page: Any) -> list[str]:
    nodes = page.eval_on_selector_all("[data-node]", "all => all.map(n => n.dataset.node)")
    return [slug for slug in nodes if slug in (ONE, OTHER)]


def test_headings_move_by_key_and_by_mouse(curator: Any, site: str) -> None:
    curator.goto(site + STAGE)
    assert order(curator) == [ONE, OTHER]
    curator.focus(f"[data-node='{OTHER}'] a")
    with curator.expect_navigation():
        curator.keyboard.press("Alt+Shift+ArrowUp")
    curator.goto(site + STAGE)
    assert order(curator) == [OTHER, ONE]
    with curator.expect_navigation():
        curator.drag_and_drop(f"[data-node='{ONE}']", f"[data-node='{OTHER}']")
    curator.goto(site + STAGE)
    assert curator.get_attribute(f"[data-node='{ONE}']", "data-depth") == "2"
    assert not curator.troubles


@pytest.fixture
def finger(curator: Any, browser: Any, site: str) -> Iterator[Any]:
    """A telephone on which the same curator is signed in: no mouse, only touch."""
    context = browser.new_context(
        viewport={"width": 390, "height": 800},
        has_touch=True,
        is_mobile=True,
        storage_state=curator.context.storage_state(),
    )
    page = context.new_page()
    page.troubles = []
    page.on("pageerror", lambda error: page.troubles.append(str(error)))
    yield page
    context.close()


def test_headings_move_by_touch(finger: Any, site: str) -> None:
    finger.goto(site + STAGE)
    grip = finger.locator(f"[data-node='{OTHER}'] > [data-grip]")
    box = grip.bounding_box()
    assert min(box["width"], box["height"]) >= 43.5  # a finger's breadth
    grip.tap()
    bar = finger.locator("#movebar")
    assert "Moving" in bar.inner_text()
    assert finger.evaluate("document.documentElement.scrollWidth <= innerWidth")
    bar.locator("text=Cancel").tap()
    assert bar.is_hidden()
    assert order(finger) == [ONE, OTHER]

    grip.tap()
    with finger.expect_navigation():
        bar.locator("text=Up").tap()
    assert finger.url == site + STAGE  # back where the next one can be moved
    assert order(finger) == [OTHER, ONE]

    finger.locator(f"[data-node='{ONE}'] > [data-grip]").tap()
    with finger.expect_navigation():
        finger.locator(f"[data-node='{OTHER}'] > a > strong").tap()
    assert finger.get_attribute(f"[data-node='{ONE}']", "data-depth") == "2"
    finger.locator(f"[data-node='{OTHER}'] > [data-grip]").tap()
    assert "place" not in finger.get_attribute(f"[data-node='{ONE}']", "class").split()
    assert not finger.troubles


def test_a_form_opens_in_place_and_keeps_its_draft(curator: Any, site: str) -> None:
    curator.goto(f"{site}/risks/sycophancy/")
    curator.click(".curate >> text=Edit")
    curator.wait_for_selector("#editable form")
    assert curator.url.endswith("/risks/sycophancy/")
    curator.fill("#id_harm", "It agrees with you.")
    curator.wait_for_selector("text=Draft saved")
    curator.reload()
    curator.click(".curate >> text=Edit")
    curator.wait_for_selector("#editable form")
    assert curator.input_value("#id_harm") == "It agrees with you."
    curator.fill("#id_note", "said plainly")
    curator.click("#editable button >> text=Save")
    curator.wait_for_selector("text=1 row changed")
    assert "It agrees with you." in curator.inner_text("#editable")
    assert not curator.troubles
