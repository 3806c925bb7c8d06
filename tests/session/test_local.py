"""The engine thread on the shipped models: pause, step, stop, resume, edit, inject, fail."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from engine.common.kept import Kept
from engine.prompts.template import normalise
from engine.run import events as ev
from engine.run.commands import (
    Command,
    InjectTemplate,
    MakeEdit,
    Pause,
    Resume,
    StepOnce,
    Stop,
    UndoEdit,
)
from engine.run.edits import BanTemplate, ChooseAnchors, PinTemplate, SetNextPrompt, SetOption
from engine.run.state import RunState
from engine.session.local import LocalSession
from engine.storage.journal import read_journal
from engine.storage.run_folder import LOG
from engine.vlm.dual_encoder.text_features import TextFeatures
from tests.support.patience import CEILING_SECONDS
from tests.support.watching import Watch, demo, facts, finish, is_kind, is_token, start

Hook = Callable[[ev.Event, RunState], None]


def is_testing(after: int) -> Callable[[ev.Event], bool]:
    """In the middle of a measurement on the test split, when so many steps are done."""
    done = 0

    def when(event: ev.Event) -> bool:
        nonlocal done
        done = max(done, event.step if isinstance(event, ev.StepFinished) else 0)
        return isinstance(event, ev.Progress) and event.phase == "testing" and done == after

    return when


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "undisturbed"
    session = LocalSession.create(demo(), folder)
    session.start()
    finish(session)
    return folder


def test_the_journal_folds_to_the_published_state(undisturbed: Path) -> None:
    folded = RunState().apply_all(read_journal(undisturbed).events)
    assert folded.status == "finished"
    assert folded.steps_done == 3
    assert len(folded.tests) == 3


def test_pause_holds_within_one_token_and_changes_nothing(
    run_folder: Path, undisturbed: Path, kept: Kept
) -> None:
    watch = Watch()
    watch.at(is_token(3), Pause())
    session = start(run_folder, watch, kept=kept)
    watch.wait_for(is_kind(ev.RunPaused))
    tokens = sum(isinstance(e, ev.TokensStreamed) and e.step == 2 for e in watch.seen)
    assert tokens == 3
    assert session.state.status == "paused"
    session.send(Pause())
    session.send(Resume())
    finish(session)
    assert facts(run_folder) == facts(undisturbed)


def test_waiting_is_not_work(run_folder: Path, kept: Kept) -> None:
    held = 1.5

    def hold(event: ev.Event, state: RunState) -> None:
        if isinstance(event, ev.CandidateProposed) and event.step == 1 and event.candidate == 0:
            session.send(Pause())
        if isinstance(event, ev.RunPaused):
            threading.Timer(held, session.send, [Resume()]).start()  # to be told from work

    session = LocalSession.create(demo("steps=1"), run_folder, hold, kept)
    session.start()
    assert session.wait(600)
    state = session.state
    times = {event.kind: event.time for event in read_journal(run_folder).events}
    assert times["run-resumed"] - times["run-paused"] >= held - 0.1
    took = times["step-finished"] - times["step-started"]
    assert 0 < state.steps[0].seconds <= took - held + 0.1
    assert state.step_started_at - times["step-started"] == pytest.approx(
        times["run-resumed"] - times["run-paused"]
    )


def test_single_steps(run_folder: Path, undisturbed: Path, kept: Kept) -> None:
    watch = Watch()
    watch.at(is_kind(ev.StepStarted, 1), Pause())
    session = start(run_folder, watch, kept=kept)
    watch.wait_for(is_kind(ev.RunPaused))
    for step in (1, 2):
        session.send(StepOnce())
        watch.wait_for_many(ev.RunPaused, step + 1)
        assert session.state.steps_done == step
    session.send(Resume())
    finish(session)
    assert facts(run_folder) == facts(undisturbed)


@pytest.mark.parametrize(
    "when",
    [
        is_token(2, step=1),
        is_kind(ev.CandidateProposed, 2),
        is_kind(ev.TemplateScored, 2),
        is_kind(ev.AnchorsMoved),
        is_kind(ev.StepFinished, 2),
        is_kind(ev.StepFinished, 3),
        is_kind(ev.FinishStarted),
        is_testing(3),
    ],
    ids=["token", "reply", "score", "anchors", "step-end", "last-step-end", "finish", "final-test"],
)
def test_stopped_anywhere_and_resumed_ends_the_same(
    run_folder: Path, undisturbed: Path, when: Callable[[ev.Event], bool], kept: Kept
) -> None:
    watch = Watch()
    watch.at(when, Stop())
    session = start(run_folder, watch, kept=kept)
    assert session.wait(CEILING_SECONDS)
    assert session.state.status == "stopped"
    resumed = LocalSession.resume(run_folder, kept=kept)
    resumed.start()
    state = finish(resumed)
    whole = RunState().apply_all(read_journal(undisturbed).events)
    assert state.ranking == whole.ranking
    assert state.anchors == whole.anchors
    for subject in ("seed", "best", "ensemble"):
        assert state.test(subject).comparable() == whole.test(subject).comparable()
    assert [s.comparable() for s in state.steps] == [s.comparable() for s in whole.steps]


def test_a_resumed_step_scores_nothing_twice(run_folder: Path, kept: Kept) -> None:
    watch = Watch()
    watch.at(is_kind(ev.AnchorsMoved), Stop())
    session = start(run_folder, watch, kept=kept)
    assert session.wait(CEILING_SECONDS)
    scored = {e.template for e in watch.seen if isinstance(e, ev.TemplateScored)}
    again = Watch()
    resumed = LocalSession.resume(run_folder, again, kept)
    again.session = resumed
    known = dict(resumed._scores)
    assert set(known) == scored
    resumed.start()
    finish(resumed)


def test_edits_are_facts_that_hold_from_the_step_they_name(run_folder: Path, kept: Kept) -> None:
    watch = Watch()
    watch.at(
        is_token(1, step=1),
        MakeEdit(edit=SetOption(key="steering.alpha", value=0.25)),
        MakeEdit(edit=SetOption(key="proposal.candidates", value=4)),
        MakeEdit(edit=SetOption(key="proposal.task", value="look at the lamps.")),
        MakeEdit(edit=SetOption(key="sampling.temperature", value=0.5)),
        UndoEdit(),
    )
    session = start(run_folder, watch, kept=kept)
    state = finish(session)
    events = read_journal(run_folder).events
    edited = [e for e in events if isinstance(e, ev.Edited)]
    assert [e.step for e in edited] == [2, 2, 2, 2]
    assert [e.number for e in edited] == [1, 2, 3, 4]
    assert [e.number for e in events if isinstance(e, ev.EditUndone)] == [4]
    assert state.config.steering.alpha == 0.25
    assert state.config.sampling.temperature == 1.0
    prompts = {e.step: e.messages for e in events if isinstance(e, ev.MetaPromptComposed)}
    assert "lamps" not in prompts[1][1]["content"]
    assert "look at the lamps." in prompts[2][1]["content"]
    replies = [e.step for e in events if isinstance(e, ev.CandidateProposed) and e.attempt == 1]
    assert replies.count(1) == 10 and replies.count(2) == 4 and replies.count(3) == 4
    assert any("(from step 2 on)" in line.text for line in state.log)


def test_the_very_next_prompt_is_sent_once(run_folder: Path, kept: Kept) -> None:
    watch = Watch()
    prompt = SetNextPrompt(system="", user="Write a template with <category>.")
    watch.at(is_token(1, step=1), MakeEdit(edit=prompt))
    finish(start(run_folder, watch, kept=kept))
    prompts = {
        e.step: e.messages
        for e in read_journal(run_folder).events
        if isinstance(e, ev.MetaPromptComposed)
    }
    assert prompts[2] == ({"role": "user", "content": prompt.user},)
    assert prompts[3][0]["role"] == "system"


def test_an_injected_template_is_scored_at_once_and_ranked(run_folder: Path, kept: Kept) -> None:
    watch = Watch()
    text = "a photo of a <category> turned upside down in blue light."
    watch.at(is_token(2, step=1), Pause(), InjectTemplate(text=text))
    session = start(run_folder, watch, kept=kept)
    watch.wait_for(lambda e: isinstance(e, ev.TemplateScored) and e.origin == "human")
    session.send(InjectTemplate(text=text.upper()))
    session.send(InjectTemplate(text="no placeholder"))
    session.send(Resume())
    state = finish(session)
    human = [t for t in state.templates if t.origin == "human"]
    assert [t.text for t in human] == [text]
    messages = [line.text for line in state.log if line.level == "warning"]
    assert any("scored before" in m for m in messages)
    assert any("refused" in m for m in messages)
    prompts = [e for e in read_journal(run_folder).events if isinstance(e, ev.MetaPromptComposed)]
    shown = {key for p in prompts if p.step >= 2 for key in (*p.best, *p.worst)}
    assert human[0].key in shown


def test_pins_bans_and_anchors_by_hand(run_folder: Path, kept: Kept) -> None:
    watch = Watch()
    watch.at(is_kind(ev.StepFinished, 1), Pause())
    session = start(run_folder, watch, kept=kept)
    watch.wait_for(is_kind(ev.RunPaused))
    ranking = session.state.ranking
    best, worst, middle = ranking[0].key, ranking[-1].key, ranking[2].key
    session.send(MakeEdit(edit=PinTemplate(key=worst, pinned=True)))
    session.send(MakeEdit(edit=BanTemplate(key=best, banned=True)))
    session.send(MakeEdit(edit=ChooseAnchors(positive=middle, negative=worst)))
    session.send(MakeEdit(edit=BanTemplate(key="unknown", banned=True)))
    session.send(Resume())
    state = finish(session)
    events = read_journal(run_folder).events
    prompts = [e for e in events if isinstance(e, ev.MetaPromptComposed) and e.step >= 2]
    for prompt in prompts:
        assert worst in prompt.best
        assert best not in (*prompt.best, *prompt.worst)
    steered = [e for e in events if isinstance(e, ev.SteeringPrepared) and e.step >= 2]
    assert {(e.positive, e.negative) for e in steered} == {(middle, worst)}
    assert state.anchors_held and state.anchors == (middle, worst)
    assert best not in [t.key for t in state.allowed]
    assert any("no such template: unknown" in line.text for line in state.log)


def test_edits_made_in_a_step_that_is_cut_off_are_kept(run_folder: Path, kept: Kept) -> None:
    watch = Watch()
    watch.at(
        is_token(2, step=1),
        MakeEdit(edit=SetOption(key="proposal.candidates", value=3)),
        InjectTemplate(text="a drawing of a <category> in blue light"),
        Stop(),
    )
    assert start(run_folder, watch, kept=kept).wait(CEILING_SECONDS)
    resumed = LocalSession.resume(run_folder, kept=kept)
    resumed.start()
    state = finish(resumed)
    assert state.config.proposal.candidates == 3
    assert [t.origin for t in state.templates].count("human") == 1
    replies = [
        e.step
        for e in read_journal(run_folder).events
        if isinstance(e, ev.CandidateProposed) and e.attempt == 1
    ]
    assert replies.count(2) == 3


def test_a_model_that_is_not_there_ends_the_run_with_what_to_do(run_folder: Path) -> None:
    session = start(run_folder, Watch(), "llm.model=/nowhere")
    assert session.wait(CEILING_SECONDS)
    assert session.state.status == "failed"
    assert "/nowhere" in session.state.error
    assert "Traceback" not in session.state.error


def test_stop_while_loading(run_folder: Path) -> None:
    watch = Watch()
    watch.at(is_kind(ev.Progress), Stop())
    session = start(run_folder, watch)
    assert session.wait(CEILING_SECONDS)
    assert session.state.status == "stopped"


@pytest.mark.parametrize(
    "mending", [UndoEdit(), MakeEdit(edit=SetOption(key="sampling.max_new_tokens", value=30))]
)
def test_a_step_that_failed_for_an_edit_is_mended_while_models_load(
    run_folder: Path, mending: Command
) -> None:
    """The step is begun again, so what was edited for it can be taken back or changed."""
    too_long = SetOption(key="sampling.max_new_tokens", value=4000)
    watch = Watch()
    watch.at(is_kind(ev.StepStarted, 2), MakeEdit(edit=too_long))
    session = start(run_folder, watch)
    assert session.wait(CEILING_SECONDS) and session.state.status == "failed"
    assert "4000" in session.state.error and "step 3 again" in session.state.error
    again = Watch()
    again.at(is_kind(ev.Progress), mending)
    again.session = LocalSession.resume(run_folder, again)
    assert [edited.edit for edited in again.session.state.pending] == [too_long]
    again.session.start()
    assert finish(again.session).config.sampling.max_new_tokens < 4000


@pytest.mark.parametrize("what", ["VLM", "images", "tokenizer", "weights", "decoder layers"])
def test_stopping_while_models_load_is_no_failure(run_folder: Path, what: str) -> None:
    watch = Watch()
    watch.at(lambda e: isinstance(e, ev.Progress) and what in e.detail, Stop())
    session = start(run_folder, watch)
    assert session.wait(CEILING_SECONDS)
    assert session.state.status == "stopped", session.state.error


def test_a_template_injected_while_models_load_is_in_the_journal_and_scored_later(
    run_folder: Path,
) -> None:
    text = "a <category> in my own words."
    watch = Watch()
    watch.at(is_kind(ev.Progress), InjectTemplate(text=text))
    finish(start(run_folder, watch))
    events = read_journal(run_folder).events
    said = next(i for i, e in enumerate(events) if isinstance(e, ev.TemplateInjected))
    assert events[said].template == text
    scored = next(
        i for i, e in enumerate(events) if isinstance(e, ev.TemplateScored) and e.template == text
    )
    assert said < scored and events[scored].origin == "human"


def warnings(state: RunState) -> list[str]:
    return [line.text for line in state.log if line.level == "warning"]


def test_a_ban_in_the_last_step_holds_in_the_final_ensemble(
    run_folder: Path, undisturbed: Path, kept: Kept
) -> None:
    before = RunState().apply_all(read_journal(undisturbed).events)
    banned = before.test("best").templates[0]
    key = next(t.key for t in before.templates if t.text == banned)
    watch = Watch()
    watch.at(
        lambda e: isinstance(e, ev.TemplateScored) and e.step == 3 and e.template == banned,
        MakeEdit(edit=BanTemplate(key=key, banned=True)),
        MakeEdit(edit=SetOption(key="steering.alpha", value=0.1)),
        MakeEdit(edit=PinTemplate(key=key, pinned=True)),
    )
    state = finish(start(run_folder, watch, kept=kept))
    assert state.ranking == before.ranking  # it is no other search
    assert banned not in (*state.test("best").templates, *state.test("ensemble").templates)
    assert [e.edit.kind for e in state.edits] == ["ban-template"] and not state.pending
    assert any("(when the run finishes)" in line.text for line in state.log)
    (late,) = [line for line in state.log if "step 3 is the last one" in line.text]
    assert late.times == 2 and "no step left" in late.text and "fork" in late.text


def test_a_run_whose_templates_are_all_banned_pauses_and_can_be_finished(
    run_folder: Path, kept: Kept
) -> None:
    watch = Watch()
    watch.at(is_kind(ev.TestMeasured), *ban_all(["a photo of a <category>."]))
    session = start(run_folder, watch, "steps=0", kept=kept)
    watch.wait_for(is_kind(ev.RunPaused))
    assert any("every template is banned" in text for text in warnings(session.state))
    session.send(Resume())  # nothing was changed: it pauses again
    watch.wait_for_many(ev.RunPaused, 2)
    session.send(InjectTemplate(text="a drawing of a <category>."))
    session.send(Resume())
    state = finish(session)
    assert state.test("ensemble").templates == ("a drawing of a <category>.",)
    again = LocalSession.resume(run_folder, kept=kept)
    assert again.state.status == "finished"
    again.close()


def test_a_run_without_allowed_templates_that_nobody_watches_fails_and_can_be_taken_up(
    run_folder: Path, kept: Kept
) -> None:
    watch = Watch()
    (ban,) = ban_all(["a photo of a <category>."])
    watch.at(is_kind(ev.TestMeasured), ban)
    watch.session = LocalSession.create(demo("steps=0"), run_folder, watch, kept)
    watch.session.unattended = True
    watch.session.start()
    assert watch.session.wait(CEILING_SECONDS) and watch.session.state.status == "failed"
    assert "every template is banned" in watch.session.state.error
    again = Watch()
    again.at(is_kind(ev.Progress), MakeEdit(edit=ban.edit.model_copy(update={"banned": False})))
    again.session = LocalSession.resume(run_folder, again, kept)
    again.session.start()
    assert finish(again.session).test("best").templates == ("a photo of a <category>.",)


def ban_all(texts: list[str]) -> list[Command]:
    return [MakeEdit(edit=BanTemplate(key=normalise(text), banned=True)) for text in texts]


def test_a_run_is_not_held_up_where_no_template_is_allowed_in_the_middle(
    run_folder: Path, kept: Kept
) -> None:
    watch = Watch()
    watch.at(is_kind(ev.TestMeasured), *ban_all(["a photo of a <category>."]))
    state = finish(start(run_folder, watch, "steps=2", "evaluation.every=1", kept=kept))
    assert "a photo of a <category>." not in state.test("ensemble").templates


def test_a_template_that_can_not_be_scored_is_let_go(
    run_folder: Path, monkeypatch: pytest.MonkeyPatch, kept: Kept
) -> None:
    text = "a <category> that breaks the model."
    encode = TextFeatures.encode

    def broken(self: TextFeatures, template: str, names: tuple[str, ...]) -> object:
        if template == text:
            raise RuntimeError("no such kernel")
        return encode(self, template, names)

    monkeypatch.setattr(TextFeatures, "encode", broken)
    watch = Watch()
    watch.at(is_token(1, step=1), InjectTemplate(text=text))
    state = finish(start(run_folder, watch, kept=kept))
    assert not state.waiting and text not in [t.text for t in state.templates]
    assert any("template refused: no such kernel" in message for message in warnings(state))
    assert "no such kernel" in (run_folder / LOG).read_text()


def test_a_template_that_waits_or_is_proposed_just_now_is_not_injected_twice(
    run_folder: Path, undisturbed: Path, kept: Kept
) -> None:
    text = "a <category> in my own words."
    scored = [e for e in read_journal(undisturbed).events if isinstance(e, ev.TemplateScored)]
    theirs = next(e.template for e in scored if e.origin == "llm" and e.step == 2)
    watch = Watch()
    twice = [InjectTemplate(text=text), InjectTemplate(text=text.upper())]
    seed = InjectTemplate(text="A photo of a <category>")
    watch.at(is_kind(ev.Progress), *twice, seed)
    watch.at(
        lambda e: isinstance(e, ev.CandidateProposed) and e.template == theirs,
        InjectTemplate(text=theirs),
    )
    state = finish(start(run_folder, watch, kept=kept))
    kinds = [e.kind for e in read_journal(run_folder).events]
    assert kinds.count("template-injected") == 1
    said = " ".join(warnings(state))
    assert "it waits to be scored already" in said
    assert "it is the seed template" in said
    assert "the LLM has just proposed it" in said or state.find(normalise(theirs)) is None


def test_what_can_not_be_folded_is_not_journaled(run_folder: Path, kept: Kept) -> None:
    session = LocalSession.create(demo(), run_folder, kept=kept)
    before = read_journal(run_folder).events
    streams = ev.TokensStreamed(step=1, attempt=1, texts=("a",))
    session._publisher.publish(streams)
    with pytest.raises(ValueError):
        session._publisher.publish(
            ev.Warned(message="with it"), streams.model_copy(update={"texts": ()})
        )
    assert read_journal(run_folder).events == before
    session.close()


def test_a_list_is_in_the_journal_as_a_whole_before_any_of_it_is_scored(
    run_folder: Path, kept: Kept
) -> None:
    texts = [f"a photo of a <category> seen from {n} metres." for n in range(2, 6)]
    injects = InjectTemplate(text=texts[0], more=(*texts[1:], "none", texts[0]))
    watch = Watch()
    watch.at(is_kind(ev.StepFinished, 1), injects)
    watch.at(lambda e: isinstance(e, ev.TemplateScored) and e.origin == "human", Stop())
    session = start(run_folder, watch, kept=kept)
    assert session.wait(CEILING_SECONDS) and session.state.status == "stopped"
    state = session.state
    assert [event.template for event in state.waiting] == texts[1:], "an end waits for no list"
    lacks, repeats = warnings(state)[-2:]
    assert "lacks the placeholder" in lacks and "it waits to be scored already" in repeats
    again = LocalSession.resume(run_folder, kept=kept)
    again.start()
    state = finish(again)
    human = [t.text for t in state.templates if t.origin == "human"]
    assert human == texts and not state.waiting
