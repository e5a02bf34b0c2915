"""Everything that the engine keeps goes to a folder of the test's own, real models excepted."""

from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def kept_apart(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not request.node.get_closest_marker("model"):
        monkeypatch.setenv("SAFESTACK_VAR", str(tmp_path / "var"))
