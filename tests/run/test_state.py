from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from engine.config import RunConfig
from engine.run import events as ev
from engine.run.edits import SetOption
from engine.run.log_lines import LIST, LOG_LINES
from engine.run.state import RunState

CONFIG = RunConfig.model_validate({"data": {"path": "/images"}})


def scored(template: str, hits: int, step: int, origin: ev.Origin = "llm") -> ev.TemplateScored:
    return ev.TemplateScored(
        step=step,
        attempt=1,
        candidate=0,
        template=template,
        origin=origin,
        hits=hits,
        n=10,
        margin=-1.0,
        class_hits=(hits,),
    )


def finished(step: int) -> ev.StepFinished:
    return ev.StepFinished(
        step=step,
        attempts=1,
        new=1,
        duplicates=0,
        rejected=0,
        tokens=9,
        step_best=0.5,
        step_mean=0.5,
        best=0.5,
        seconds=1.0,
    )


def proposed(template: str, outcome: ev.Outcome, step: int, candidate: int = 0) -> ev.Event:
    return ev.CandidateProposed(
        step=step,
        attempt=1,
        candidate=candidate,
        reply=template,
        tokens=5,
        finish="stop",
        outcome=outcome,
        template=template,
    )


START = (
    ev.RunStarted(run="r", config=CONFIG.model_dump(mode="json"), versions={}),
    scored("a photo of a <category>.", 4, 0, "seed"),
)


def test_fold_of_one_step() -> None:
    state = RunState().apply_all(
        [
            *START,
            ev.StepStarted(step=1),
            ev.TokensStreamed(step=1, attempt=1, texts=("a ", "b ")),
            ev.TokensStreamed(step=1, attempt=1, texts=("x", "")),
        ]
    )
    assert state.streams == ("a x", "b ")
    assert state.steps_done == 0 and state.step == 1
    state = state.apply_all([proposed("a <category>.", "new", 1), scored("a <category>.", 6, 1)])
    state = state.apply_all(
        [
            ev.AnchorsMoved(step=1, positive=state.ranking[0].key, negative=state.ranking[1].key),
            finished(1),
        ]
    )
    assert state.steps_done == 1
    assert [t.hits for t in state.ranking] == [6, 4]
    assert state.seed is not None and state.seed.hits == 4
    assert state.anchors == (state.ranking[0].key, state.seed.key)


def test_a_repeated_template_keeps_its_provenance_and_counts_once() -> None:
    state = RunState().apply_all([*START, ev.StepStarted(step=1)])
    state = state.apply(proposed("A photo of a  <CATEGORY>", "duplicate", 1, candidate=3))
    assert len(state.templates) == 1
    assert [(p.step, p.candidate) for p in state.templates[0].again] == [(1, 3)]


def test_a_step_that_begins_again_forgets_what_it_did() -> None:
    before = RunState().apply_all([*START, ev.StepStarted(step=1), scored("x <category>", 5, 1)])
    before = before.apply(finished(1))
    cut_off = before.apply_all(
        [
            ev.StepStarted(step=2),
            proposed("x <category>", "duplicate", 2),
            scored("y <category>", 9, 2),
            ev.AnchorsMoved(step=2, positive="y <category>", negative="x <category>"),
            ev.RunReopened(versions={}),
            ev.StepStarted(step=2),
        ]
    )
    fresh = before.apply(ev.StepStarted(step=2))
    assert cut_off.templates == fresh.templates
    assert all(cut_off.find(t.key) == t for t in fresh.templates)
    assert cut_off.find("y <category>") is None
    assert cut_off.anchors == fresh.anchors
    assert cut_off.candidates == ()


events = st.lists(
    st.one_of(
        st.builds(ev.StepStarted, step=st.integers(1, 3)),
        st.builds(
            scored,
            st.sampled_from(["a <category>", "b <category>", "A <category>."]),
            st.integers(0, 10),
            st.integers(1, 3),
        ),
        st.builds(
            proposed,
            st.sampled_from(["a <category>", "b <category>"]),
            st.sampled_from(["new", "duplicate", "rejected"]),
            st.integers(1, 3),
        ),
        st.builds(finished, st.integers(1, 3)),
        st.builds(ev.Warned, message=st.text(max_size=5)),
        st.builds(ev.RunPaused, step=st.integers(0, 3)),
        st.builds(ev.RunResumed, step=st.integers(0, 3)),
        st.builds(ev.Progress, phase=st.just("scoring"), done=st.integers(0, 5)),
        st.builds(ev.TokensStreamed, step=st.just(1), attempt=st.just(1), texts=st.just(("x",))),
    ),
    max_size=25,
)


@given(events, st.data())
def test_the_fold_is_the_same_in_one_go_or_in_parts(sequence, data) -> None:
    start = RunState().apply_all(START)
    cut = data.draw(st.integers(0, len(sequence)))
    whole = start.apply_all(sequence)
    parts = start.apply_all(sequence[:cut]).apply_all(sequence[cut:])
    assert whole == parts


@given(events)
def test_only_facts_matter_for_what_a_run_knows(sequence) -> None:
    start = RunState().apply_all(START)
    facts = start.apply_all(e for e in sequence if e.is_fact)
    everything = start.apply_all(sequence)
    shown = {"progress": None, "streams": (), "step_begin": None}
    assert replace(everything, **shown) == replace(facts, **shown)


@given(events)
def test_templates_are_distinct_and_indexed(sequence) -> None:
    state = RunState().apply_all([*START, *sequence])
    keys = [t.key for t in state.templates]
    assert len(set(keys)) == len(keys)
    assert [state.find(key) for key in keys] == list(state.templates)


def test_states_are_never_changed() -> None:
    state = RunState().apply_all(START)
    before = (state.templates, state.ranking, state.log)
    state.apply_all([ev.StepStarted(step=1), scored("z <category>", 9, 1), finished(1)])
    assert (state.templates, state.ranking, state.log) == before
    assert state.find("z <category>") is None


def test_edits_of_one_option_in_a_row_are_one_line_of_the_log() -> None:
    state = RunState().apply_all(START)
    lines = len(state.log)
    for number, alpha in enumerate((0.75, 1.0, 1.25), 1):
        edit = SetOption(key="steering.alpha", value=alpha)
        state = state.apply(ev.Edited(number=number, step=1, edit=edit))
    assert len(state.log) == lines + 1
    assert state.log[-1].text == "steering.alpha = 1.25 (from step 1 on) x3"
    edit = SetOption(key="sampling.top_k", value=7)
    state = state.apply(ev.Edited(number=4, step=1, edit=edit))
    assert [line.text for line in state.log[lines:]] == [
        "steering.alpha = 1.25 (from step 1 on) x3",
        "sampling.top_k = 7 (from step 1 on)",
    ]


def test_a_sentence_that_is_said_again_right_away_counts_up() -> None:
    state = RunState()
    for time, message in enumerate(
        ["nothing to undo", "nothing to undo", "other", "nothing to undo"]
    ):
        state = state.apply(ev.Warned(message=message, time=float(time)))
    said = [(line.text, line.times, line.time) for line in state.log]
    assert said == [("nothing to undo x2", 2, 1.0), ("other", 1, 2.0), ("nothing to undo", 1, 3.0)]


def test_the_best_before_the_first_step_is_the_best_of_all_that_was_scored_then() -> None:
    assert RunState().best_at_begin is None
    state = RunState().apply_all(START)
    assert state.seed is not None and state.best_at_begin == state.seed.accuracy
    listed = state.apply(scored("a listed <category>.", 9, 0))
    assert listed.best is not None and listed.best_at_begin == listed.best.accuracy
    later = listed.apply_all([ev.StepStarted(step=1), scored("z <category>", 10, 1)])
    assert later.best_at_begin == listed.best_at_begin


def test_a_long_list_of_templates_does_not_push_all_else_out_of_the_log() -> None:
    state = RunState().apply_all(START)
    texts = [f"a <category> from {n} metres" for n in range(2 * LOG_LINES)]
    before = len(state.log)
    state = state.apply_all(ev.TemplateInjected(step=0, template=text) for text in texts)
    state = state.apply_all(scored(text, 3, 0, "human") for text in texts)
    assert len(state.log) - before <= 2 * LIST + 3
    listed = [line.text for line in state.log if "of a list" in line.text]
    assert len(listed) == 1 and listed[0].endswith(f" x{len(texts) - LIST}")
    assert sum(line.text.startswith("injected: 30.0% a <category>") for line in state.log) == LIST
