"""An Inspect log of a run: written into the run's own folder, named by digest, read back."""

from __future__ import annotations

from pathlib import Path

import pytest

from evals.engine import logs, packaged, runner, trial
from evals.engine.__main__ import main
from evals.engine.trial import UNDEFENDED, Case, Trial
from tests.fakes import FakeLanguageModel


def test_a_log_goes_to_the_runs_own_folder_and_can_be_read_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SAFESTACK_LOGS", str(tmp_path / "logs"))
    monkeypatch.setenv("SAFESTACK_VAR", str(tmp_path))
    cases = [Case(str(i), "clean", [{"role": "user", "content": f"{i}"}]) for i in range(4)]
    given = Trial(
        name="t",
        cases=cases,
        arms=[UNDEFENDED],
        score=lambda case, answer: {"utility": float(case.id != "3")},
        measures=["utility", "attack-success"],
    )
    trial.run(FakeLanguageModel(), given, lambda progress: None)
    (named,) = runner.logs()
    path = tmp_path / "logs" / named["file"]
    assert (named["sha256"], named["bytes"]) == (packaged.sha256(path), path.stat().st_size)
    found = logs.scores(path)
    assert (found["task"], found["status"], len(found["samples"])) == (
        "t-undefended",
        "success",
        4,
    )
    scores = {row["id"]: row["scores"]["t-score"] for row in found["samples"]}
    assert scores["3"] == {"utility": 0.0, "attack-success": None}


def test_a_file_that_is_no_log_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "x.eval").write_bytes(b"PK\x03\x04 not a log")
    out = tmp_path / "out.json"
    assert main(["scores", "--log", str(tmp_path / "x.eval"), "--out", str(out)]) == 2
    assert "Inspect cannot read" in capsys.readouterr().err
    assert not out.exists()
