"""Which of a VLM's answers are shown while templates are scored."""

from __future__ import annotations

from engine.search.sampled_answers import SECONDS, SampledAnswers
from engine.vlm.interface import AnsweredImage, ScoringProgress


def test_an_answer_stays_for_a_while_and_the_latest_one_follows() -> None:
    now = 0.0
    shown = SampledAnswers(clock=lambda: now)

    def of(answer: str | None) -> str | None:
        answered = answer and AnsweredImage("what?", "cup/1.png", answer, "cup", None)
        found = shown.of(ScoringProgress(1, 2, answered or None))
        return None if found is None else found.answer

    assert of(None) is None
    assert of("a cup") == "a cup"
    now = SECONDS / 2
    assert of("a bell") == "a cup" and of(None) == "a cup"
    now = SECONDS
    assert of(None) == "a cup"
    assert of("a boot") == "a boot"
