"""What the best template confuses, told to the LLM: ``proposal.confusions``."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from engine.analysis.next_confusions import next_confusions
from engine.common.kept import Kept
from engine.config.editable import EDITABLE
from engine.config.toml_file import load_config, preset_names
from engine.run import events as ev
from engine.run.state import RunState
from engine.search.confused import Confused
from engine.search.meta_prompt import Example, load_meta_prompt
from engine.search.registry import next_question
from engine.search.strategy import Search
from engine.session.loading import load_search
from engine.session.local import LocalSession
from engine.storage.journal import read_journal
from engine.vlm.confusions import ConfusedPair, confused_pairs
from engine.vlm.dual_encoder.task import TASK
from engine.vlm.predictions import NO_CLASS, ImagePredictions, KeptPredictions
from tests.support.small_runs import demo, drive
from tests.support.steps import of, run

LINE = "The best template still takes "


def searched(kept: Kept, *overrides: str) -> Search:
    return load_search(demo(*overrides), lambda *_: None, lambda _: None, None, kept)


def told(facts: list[ev.Event]) -> list[str]:
    """The line of each meta-prompt, or nothing."""
    found = []
    for prompt in of(facts, ev.MetaPromptComposed):
        lines = prompt.messages[-1]["content"].splitlines()
        found.append(next((line for line in lines if line.startswith(LINE)), ""))
    return found


def test_pairs_are_counted_over_what_was_looked_at() -> None:
    labels = np.array([0, 0, 0, 1, 1, 2])
    found = np.log(np.full((6, 3), 1 / 3))
    found[5] = np.nan  # not looked at
    made = ImagePredictions.of(found, [1, 1, 0, NO_CLASS, 0, NO_CLASS])
    assert confused_pairs(made, labels) == [
        ConfusedPair(0, 1, 2, 3),
        ConfusedPair(1, NO_CLASS, 1, 2),
        ConfusedPair(1, 0, 1, 2),
    ]


def test_the_line_stands_before_what_is_asked() -> None:
    pairs = [Confused("cup", "bell", 3, 5), Confused("axe", "flag", 1, 5)]

    def asked(confused: list[Confused]) -> str:
        messages = load_meta_prompt(None, TASK).compose(
            dataset_name="things",
            dataset_description="",
            class_names=["cup"],
            best=[Example("a <category>.", 50.0)],
            worst=[Example("no <category>.", 10.0)],
            step=2,
            confused=confused,
        )
        return messages[-1]["content"]

    plain, more = asked([]), asked(pairs)
    line = f"{LINE}cup for bell (3 of 5 images), axe for flag (1 of 5 images).\n\n"
    assert more == plain.replace("Keep what", f"{line}Keep what")


def test_off_where_nobody_asks_and_in_all_presets() -> None:
    assert "proposal.confusions" in EDITABLE
    for name in preset_names():
        assert load_config(name, ["data.path=."]).proposal.confusions == 0


def test_a_run_tells_what_the_best_of_its_examples_confuses(kept: Kept) -> None:
    search = searched(kept, "proposal.confusions=3")
    state, facts = run(search, 3)
    lines = told(facts)
    assert all(lines) and len(set(lines)) > 1
    for line, prompt in zip(lines, of(facts, ev.MetaPromptComposed), strict=True):
        best = state.find(prompt.best[-1])
        assert best is not None
        made = search.fitness.predictions(best.text, "train")
        assert made is not None
        labels = np.array([image.label for image in search.fitness.images("train")])
        pair, *_ = confused_pairs(made, labels)
        names = search.fitness.class_names
        first = f"{names[pair.truth]} for {names[pair.predicted]} "
        assert line.startswith(f"{LINE}{first}({pair.images} of {pair.of} images)")
    plain, plain_facts = run(searched(kept), 3)
    assert not any(told(plain_facts))
    assert plain.seed == state.seed


def test_it_makes_no_difference_whether_predictions_are_kept(
    kept: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, facts = run(searched(kept, "proposal.confusions=3"), 2)
    monkeypatch.setattr(KeptPredictions, "of", forgetful)
    _, again = run(searched(kept, "proposal.confusions=3"), 2)
    assert told(again) == told(facts)


def forgetful(self: KeptPredictions, template: str, split: str) -> ImagePredictions | None:
    """Each time it is asked first, it has let them go."""
    asked = self.__dict__.setdefault("asked", set())
    if (template, split) in asked:
        return self._held.get((split, template))  # type: ignore[call-overload, no-any-return]
    asked.add((template, split))
    return None


def test_the_next_meta_prompt_is_known_before_its_step(tmp_path: Path, kept: Kept) -> None:
    """As the editor shows it, from what the run keeps; another edit of the option counts too."""
    drive(LocalSession.create(demo("proposal.confusions=3", "steps=3"), tmp_path, kept=kept))
    facts = list(read_journal(tmp_path).events)
    seen = 0
    for at, fact in enumerate(facts):
        if not isinstance(fact, ev.MetaPromptComposed):
            continue
        begun = max(n for n in range(at) if isinstance(facts[n], ev.StepStarted))
        before = RunState().apply_all(facts[:begun])
        confused = next_confusions(tmp_path, before)
        assert len(confused) == 3
        assert next_question(before, confused) == fact.messages
        seen += 1
    assert seen == 3
    assert next_confusions(tmp_path / "nothing", before) == ()


def test_in_a_race_it_rests_on_the_images_of_the_score(kept: Kept) -> None:
    state, facts = run(searched(kept, "proposal.confusions=3", "search.racing=true"), 3)
    of_all = state.models.class_sizes if state.models is not None else ()
    assert all(told(facts)) and all(f" of {size} images" in told(facts)[0] for size in {*of_all})
