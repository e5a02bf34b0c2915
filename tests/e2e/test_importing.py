"""Papers come in through a real browser: upload, preview, choices, one write; a merge."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from .test_browser import browser, pytestmark
from .test_curating import curator

__all__ = ["browser", "curator", "pytestmark"]
TEXT = r"""@inproceedings{a, title={{Quokkas} and na{\"\i}ve retrieval poisoning},
  author={Quokka, Hana and Kea, Ada}, year={2024}, booktitle={CCS}, pages={1--9}}
@misc{b, title={Cut off in the middle, year={2024}
@misc{c, title={Universal and Transferable Adversarial Attacks on Aligned Language Models},
  eprint={2307.15043}, archiveprefix={arXiv}, year={2023}}
@misc{d, title={Universal Transferable Attacks on Aligned Language Models}, year={2024}}
@misc{e, title={Quokkas and naive retrieval poisoning}, doi={10.1000/q}, year={2024}}
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "refs.bib"
    path.write_text(TEXT)
    return path


def test_a_file_is_looked_at_and_then_written(curator: Any, site: str, file: Path) -> None:
    curator.goto(f"{site}/curate/papers/")
    curator.set_input_files("#id_file", file)
    curator.click("text=Show the preview")
    curator.wait_for_selector("text=Nothing has been written yet")
    assert curator.locator(".imported tbody tr").count() == 5
    curator.select_option("#c1", "skip")
    curator.click("text=Keep these choices")
    curator.wait_for_selector("text=1 choice changed")
    curator.select_option("#c1", "add")
    curator.click("text=Keep these choices")
    curator.fill("#id_note", "a reading list")
    curator.click("text=Write it")
    curator.wait_for_selector("text=It can be undone as a whole")
    assert not curator.troubles


def test_a_file_too_large_is_told_before_it_is_sent(
    curator: Any, site: str, tmp_path: Path
) -> None:
    large = tmp_path / "large.bib"
    with large.open("wb") as out:
        out.truncate(50_000_000)
    curator.goto(f"{site}/curate/papers/")
    curator.set_input_files("#id_file", large)
    assert "50 MB" in curator.eval_on_selector("#id_file", "box => box.validationMessage")
    # without the script the server says the same
    curator.eval_on_selector("#id_file", "box => box.setCustomValidity('')")
    curator.click("text=Show the preview")
    curator.wait_for_selector("text=That file is too large")


def test_two_papers_are_put_side_by_side(curator: Any, site: str) -> None:
    curator.goto(f"{site}/papers/arxiv:2310.03684/")
    curator.click(".curate >> text=Merge")
    curator.fill("#id_into", "https://arxiv.org/abs/2307.15043")
    curator.click("text=Compare the two")
    curator.wait_for_selector("text=Merge two papers")
    curator.check("input[name=title_from][value=there]")
    curator.fill("#id_note", "to see")
    curator.click("text=Show what would change")
    curator.wait_for_selector("#preview")
    assert curator.is_checked("input[name=title_from][value=there]")
    assert not curator.troubles
