"""``glov steer`` on a real LLM: what a direction does to replies, and what it says when read."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from tests.support import ROOT


def test_the_lens_names_words_of_the_pair(smollm2: Path, tmp_path: Path) -> None:
    pair = ("a photo of a cat, a kind of animal", "a photo of a car, a kind of vehicle")
    texts = ("--positive", pair[0], "--negative", pair[1])
    prompt = ("--prompt", "Write a caption.", "--replies", "1", "--layer", "16", "--alpha", "0.5")
    llm = ("--set", f"llm.model={smollm2}", "--set", "sampling.max_new_tokens=8")
    done = subprocess.run(
        [sys.executable, "-m", "glov_tui", "steer", *texts, *prompt, *llm, "--lens", "--json"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert [layer["layer"] for layer in found["lens"]] == list(range(30))
    last = [token.lower() for token, _ in found["lens"][-1]["raised"]]
    assert any("cat" in token for token in last)
    right = found["comparison"]["right"]
    assert 0 < right["kl_nats"] < 1 and right["setting"]["layers"] == [16]
