"""Answers of a run: they stream while templates are scored, are kept, and are in the details."""

from __future__ import annotations

from pathlib import Path

from textual.content import Content

from engine.analysis.image_predictions import LookedAt, look_at_images
from engine.common.kept import Kept
from engine.run import events as ev
from engine.run.state import RunState
from engine.session.local import LocalSession
from engine.storage.predictions import RunPredictions
from glov_tui.cockpit.panes.candidates import CandidatesPane
from tests.support.questions import configured
from tests.support.sessions import HeldSession, cockpit, loaded, settle
from tests.support.small_runs import drive
from tests.support.tiny_embedder import save_random_embedder
from tests.support.tiny_llava import save_tiny_llava


def test_answers_stream_and_are_kept(tmp_path: Path, image_root: Path, kept: Kept) -> None:
    model = save_tiny_llava(tmp_path / "llava")
    config = configured(
        model,
        "data.dataset=image-folder",
        f"data.path={image_root}",
        "data.shots=3",
        "vlm.answer=embedding",
        f"vlm.embedder={save_random_embedder(tmp_path / 'embedder', model / 'tokenizer.json')}",
        "vlm.max_new_tokens=6",
        "steps=0",
    )
    seen: list[ev.SampleAnswer] = []

    def hear(event: ev.Event, state: RunState) -> None:
        if isinstance(event, ev.Progress) and event.answer is not None:
            seen.append(event.answer)

    folder = tmp_path / "run"
    state = drive(LocalSession.create(config, folder, hear, kept))
    assert state.status == "finished", state.error
    seed = state.seed
    assert seed is not None and state.models is not None
    assert {sample.template for sample in seen} == {seed.text}
    assert {sample.truth for sample in seen} <= set(state.models.class_names)
    found = RunPredictions(folder).read(seed.text, "train")
    assert found is not None and len(found.answers) == seed.n
    assert any(sample.answer in found.answers for sample in seen)
    looked = look_at_images(folder, seed, state)
    assert isinstance(looked, LookedAt)
    assert {sample.answer for sample in looked.samples} <= set(found.answers)
    assert all(sample.answer is not None for sample in looked.samples)


def scoring(answer: str, predicted: str | None = "bell") -> ev.Progress:
    sample = ev.SampleAnswer(
        template="what?", path="cup/1.png", answer=answer, truth="cup", predicted=predicted
    )
    return ev.Progress(phase="scoring", done=1, total=2, answer=sample)


async def test_an_answer_stands_at_the_candidates_while_they_are_scored(tmp_path: Path) -> None:
    session = HeldSession(tmp_path, *loaded())
    async with cockpit(session, (200, 50)) as (pilot, app):
        pane = app.query_one(CandidatesPane)

        async def said(event: ev.Event) -> str:
            session.apply(event)
            await settle(pilot)
            return Content.from_markup(pane.border_subtitle or "").plain

        assert await said(scoring("a [b]bell\x1b[2J, perhaps\n")) == (
            'cup: "a [b]bell\ufffd[2J, perhaps", taken for bell'
        )
        assert await said(scoring("a cup", "cup")) == 'cup: "a cup"'
        assert await said(scoring("hm", None)) == 'cup: "hm", taken for no class'
        long = await said(scoring("word " * 100))
        assert long.endswith('…", taken for bell') and len(long) < pane.size.width
        proposed = ev.CandidateProposed(
            step=1, attempt=1, candidate=2, reply="what?", tokens=2, finish="stop",
            outcome="new", template="what?",
        )  # fmt: skip
        session.apply(proposed)
        assert await said(scoring("a cup", "cup")) == 'reply 3: cup: "a cup"'
        assert await said(ev.Progress(phase="idle")) == ""
