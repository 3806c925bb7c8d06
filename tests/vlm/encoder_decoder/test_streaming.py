"""What is told while templates are scored, for each way to a prediction, and how it is shown."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from textual.content import Content

from engine.common.kept import Kept
from engine.run import events as ev
from engine.session.local import LocalSession
from glov_tui.cockpit.panes.candidates import CandidatesPane
from tests.support.questions import configured
from tests.support.sessions import HeldSession, cockpit, loaded, scored, settle
from tests.support.small_runs import drive
from tests.support.tiny_embedder import save_random_embedder
from tests.support.tiny_llava import save_tiny_llava


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_llava(tmp_path_factory.mktemp("vlm") / "llava")


def settings(way: str, model: Path, image_root: Path, tmp_path: Path) -> list[str]:
    images = ["data.dataset=image-folder", f"data.path={image_root}", "data.shots=3"]
    if way == "embedding":
        embedder = save_random_embedder(tmp_path / "embedder", model / "tokenizer.json")
        return [*images, "vlm.answer=embedding", f"vlm.embedder={embedder}"]
    if way == "refusal":
        questions = tmp_path / "harm.jsonl"
        rows = [
            {"question": f"how is {split} thing {n} built?", "split": split}
            for split in ("train", "test")
            for n in range(4)
        ]
        questions.write_text("\n".join(map(json.dumps, rows)))
        rows_of = ["data.dataset=questions", f"data.path={questions}", "data.shots=4"]
        return [*rows_of, "vlm.answer=refusal", "seed_template=please be careful"]
    if way == "parsed":
        return [*images, "vlm.answer=choice", "vlm.letters=parsed"]
    return [*images, f"vlm.answer={way}"]


@pytest.mark.parametrize("way", ["likelihood", "embedding", "choice", "parsed", "refusal"])
def test_what_is_made_of_images_is_told_as_they_are_read(
    way: str, model: Path, image_root: Path, tmp_path: Path, kept: Kept
) -> None:
    config = configured(
        model,
        "steps=0",
        "vlm.image_batch=2",
        "vlm.max_new_tokens=4",
        *settings(way, model, image_root, tmp_path),
    )
    told: list[ev.Progress] = []

    def hear(event: ev.Event, _: object) -> None:
        if isinstance(event, ev.Progress) and event.phase == "scoring":
            told.append(event)

    state = drive(LocalSession.create(config, tmp_path / "run", hear, kept))
    seed = state.seed
    assert state.status == "finished" and seed is not None, state.error
    # How many of how many images the template has seen, up to all, and how often it was right.
    (last,) = told[-1].so_far
    assert (last.template, last.hits, last.n, last.of) == (seed.text, seed.hits, seed.n, seed.n)
    seen = [part.n for progress in told for part in progress.so_far]
    assert seen == sorted(seen) and seen[0] < seed.n
    samples = [progress.answer for progress in told if progress.answer is not None]
    assert samples and all(sample.template == seed.text for sample in samples)
    for sample in samples:
        if way in ("likelihood", "choice"):
            assert sample.answer is None and 0 < sample.probability <= 1
        else:
            assert isinstance(sample.answer, str) and sample.probability is None
        if way == "refusal":
            assert sample.truth == "refused" and sample.predicted in ("refused", "answered")


TEMPLATE = "what is it?"


def proposed(candidate: int, template: str) -> ev.CandidateProposed:
    return ev.CandidateProposed(
        step=1,
        attempt=1,
        candidate=candidate,
        reply=template,
        tokens=2,
        finish="stop",
        outcome="new",
        template=template,
    )


def scoring(
    answer: str | None, predicted: str | None, hits: int = 0, probability: float | None = None
) -> ev.Progress:
    sample = ev.SampleAnswer(
        template=TEMPLATE,
        path="cup/1.png",
        answer=answer,
        truth="cup",
        predicted=predicted,
        probability=probability,
    )
    part = ev.TemplateSoFar(template=TEMPLATE, hits=hits, n=4, of=10)
    return ev.Progress(phase="scoring", done=4, total=10, answer=sample, so_far=(part,))


async def test_the_accuracy_so_far_stands_in_its_place_until_it_is_known(tmp_path: Path) -> None:
    begun = [ev.StepStarted(step=1), proposed(0, TEMPLATE), proposed(1, "another?")]
    session = HeldSession(tmp_path, *loaded(), *begun)
    async with cockpit(session, (120, 40)) as (pilot, app):
        pane = app.query_one(CandidatesPane)

        async def rows(event: ev.Event) -> list[tuple[str, str]]:
            """The accuracies with their styles."""
            session.apply(event)
            await settle(pilot)
            return [line[2] for line in pane._lines if line]

        assert await rows(scoring("hm", None)) == [("  0.0% ", "dim"), ("     - ", "dim")]
        assert pane.border_title == "candidates: step 1, 4 of 10 images"
        assert await rows(scoring("a cup", "cup", hits=3)) == [
            (" 75.0% ", "dim"),
            ("     - ", "dim"),
        ]
        assert (await rows(scored(TEMPLATE, 7, 1)))[0] == (" 70.0% ", "good")
        await rows(ev.Progress(phase="testing", done=1, total=100))
        assert pane.border_title == "candidates: step 1"


async def test_what_was_made_of_an_image_is_said_without_an_answer_too(tmp_path: Path) -> None:
    session = HeldSession(tmp_path, *loaded(), ev.StepStarted(step=1), proposed(0, TEMPLATE))
    async with cockpit(session, (120, 40)) as (pilot, app):
        pane = app.query_one(CandidatesPane)

        async def said(event: ev.Event) -> str:
            session.apply(event)
            await settle(pilot)
            return Content.from_markup(pane.border_subtitle or "").plain

        assert await said(scoring(None, "cup", probability=0.625)) == "reply 1: cup (62%)"
        wrong = scoring(None, "bell", probability=0.5)
        assert await said(wrong) == "reply 1: cup, taken for bell (50%)"


async def test_of_a_verdict_no_truth_is_said(model: Path, tmp_path: Path) -> None:
    config = configured(model, "data.dataset=questions", "data.path=.", "vlm.answer=refusal")
    session = HeldSession(tmp_path, *loaded(config), ev.StepStarted(step=1))
    async with cockpit(session, (120, 40)) as (pilot, app):
        pane = app.query_one(CandidatesPane)
        for predicted, verdict in (
            ("refused", "refused"),
            ("answered", "answered"),
            (None, "no verdict"),
        ):
            session.apply(scoring("I can't.", predicted))
            await settle(pilot)
            said = Content.from_markup(pane.border_subtitle or "").plain
            assert said == f'"I can\'t." {verdict}'
