"""The report: whole by itself, without script, whatever others have written into the run."""

from __future__ import annotations

import base64
import hashlib
import json
import shutil
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest
from PIL import Image

from engine.analysis.export.exported import Exported, read_exported
from engine.analysis.export.writing import make_content
from engine.analysis.phrase_rows import phrases_of_best
from engine.analysis.phrase_wording import ends, origin_words, points
from engine.analysis.report.curve import curve_of
from engine.analysis.report.pictures import SIDE, data_uri, see
from engine.common.harmless import clean
from engine.run import events as ev
from engine.run.edits import BanTemplate, PinTemplate, SetOption
from engine.run.state import RunState
from engine.storage.journal import Journal
from engine.storage.run_folder import PREDICTIONS
from tests.support.hostile_runs import CLASSES, TEXTS, write_hostile
from tests.support.sessions import loaded, one_step, scored

VOID = {"meta", "br", "img"}
SECTIONS = {
    *("result", "curve", "templates", "phrases", "interventions"),
    *("steering", "time", "images", "prompt", "configuration"),
}
VERSION_1 = Path(__file__).parents[2] / "storage" / "journals" / "version-1"


class Page(HTMLParser):
    """Its tags with their attributes, its words, and whether all that is opened is closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.open: list[str] = []
        self.style = ""
        self.feed(text)
        self.close()
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] == "style":
            self.style += data
        else:
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())

    def of(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


def page(run: Exported) -> Page:
    text = make_content(run, "html")
    assert isinstance(text, str)
    return Page(text)


def run_of(*events: ev.Event, folder: Path = Path("run")) -> Exported:
    return Exported(folder, events, RunState().apply_all(events))


def test_a_run_has_all_parts_and_nothing_from_elsewhere(undisturbed: Path) -> None:
    run = read_exported(undisturbed)
    found = page(run)
    assert {one["id"] for one in found.of("section")} == SECTIONS
    links = [one["href"] or "" for one in found.of("a")]
    assert {link.removeprefix("#") for link in links} == SECTIONS
    assert not {"script", "link", "iframe", "object", "form"} & {tag for tag, _ in found.tags}
    images = found.of("img")
    assert images and all((one["src"] or "").startswith("data:image/png;base64,") for one in images)
    best = run.state.best
    assert best is not None
    for words in (
        best.text,
        f"{best.accuracy:.1%}".replace("%", "\u00a0%").replace("\u00a0", " "),
        "Norm of H+ - H- in each layer",
        "Most confused classes",
        "Meta-prompt of step 3",
        "steered",
    ):
        assert words in found.text.replace("\u00a0", " ")
    prompt = run.state.prompt
    assert prompt is not None
    assert " ".join(prompt.messages[-1]["content"].split()) in found.text


def test_texts_of_others_are_texts(tmp_path: Path) -> None:
    found = page(write_hostile(tmp_path / "run"))
    assert not [tag for tag, _ in found.tags if tag in ("script", "i")]
    for _, attributes in found.tags:
        assert not [name for name in attributes if name.startswith("on") or name == "style"]
    for template in TEXTS:
        assert " ".join(clean(template).split()) in found.text
    assert "49" not in [word for word in found.text.split() if word.startswith("{{")]
    assert "<img src=x onerror=alert(1)>" in found.text
    assert "</pre><script>" in found.text
    assert "\u202e" not in found.text and "\a" not in found.text


def test_names_of_classes_and_files_are_texts(undisturbed: Path, tmp_path: Path) -> None:
    run = read_exported(undisturbed)
    models = run.state.models
    assert models is not None
    names = (*CLASSES, *models.class_names[2:])
    models = models.model_copy(update={"class_names": names})
    found = page(replace(run, state=replace(run.state, models=models)))
    titles = {one.get("title") for one in found.of("th")}
    assert CLASSES[0] in titles and clean(CLASSES[1]) in titles


def test_the_page_forbids_itself_what_it_has_not(undisturbed: Path) -> None:
    found = page(read_exported(undisturbed))
    (policy,) = (
        one["content"] or ""
        for one in found.of("meta")
        if one.get("http-equiv") == "Content-Security-Policy"
    )
    digest = base64.b64encode(hashlib.sha256(found.style.encode()).digest()).decode()
    assert policy.split("; ") == [
        "default-src 'none'",
        "img-src data:",
        f"style-src 'sha256-{digest}'",
        "base-uri 'none'",
        "form-action 'none'",
    ]
    assert "url(" not in found.style and "@import" not in found.style
    assert "prefers-color-scheme: dark" in found.style


def test_styles_that_are_named_are_there(undisturbed: Path) -> None:
    found = page(read_exported(undisturbed))
    used = {name for _, one in found.tags for name in (one.get("class") or "").split()}
    assert not [name for name in used if f".{name}" not in found.style]


def test_phrases_are_said_with_their_worth_and_what_brought_them(undisturbed: Path) -> None:
    run = read_exported(undisturbed)
    text = page(run).text
    phrases = phrases_of_best(run.state)
    assert phrases and "Worth: mean accuracy" in text
    for phrase in phrases:
        worth = phrase.worth.overall
        told = "– –" if worth is None else f"{points(worth.difference)} {ends(worth.interval)}"
        sides = f"{phrase.worth.n_with} {phrase.worth.n_without}"
        names = " and ".join((phrase.text, *phrase.also))
        assert f"{names} {told} {sides}" in text
        assert " ".join(clean(origin_words(phrase)).split()) in text


def test_a_run_of_listed_templates_has_a_page() -> None:
    listed = scored("a picture of the <category>.", 6, 0, "listed", candidate=1)
    text = page(run_of(*loaded(), listed)).text
    assert "it came from the data set's list in step 0" in text
    assert "from the data set's own templates" in text
    assert "best so far on training images: 60.0 %" in text  # there is no step in which it came
    assert "seed template on training images: 40.0 %" in text


@pytest.mark.parametrize("count", range(1, 8))
def test_a_run_that_has_just_begun_has_a_page(count: int) -> None:
    events = [*loaded(), *one_step(1, {"a new <category>.": 6})]
    found = page(run_of(*events[:count]))
    assert {one["id"] for one in found.of("section")} == SECTIONS


def test_times_of_the_steps_are_said_by_phase() -> None:
    *first, finished = one_step(1, {"a new <category>.": 6})
    assert isinstance(finished, ev.StepFinished)
    times = ev.StepTimes(propose=6.0, score=1.5, test=0.5, paused=99.0)
    timed = finished.model_copy(update={"times": times})
    untimed = one_step(2, {"another <category>.": 5})
    found = page(run_of(*loaded(), *first, timed, *untimed))
    assert "8.0 s in 1 step of 2" in found.text and "paused for 99.0 s" in found.text
    assert "LLM: meta-prompt and replies 6.00 75.0 %" in found.text.replace("\u00a0", " ")
    assert "propose 6.00, score 1.50, test 0.50" in found.text
    widths = [one.get("width") for one in found.of("rect") if one.get("class") == "p-score"]
    assert "18.75" in widths


def test_a_journal_of_an_earlier_glov_has_a_page() -> None:
    found = page(read_exported(VERSION_1))
    assert "No step was timed." in found.text
    assert "It is not known here which images it took for what" in found.text
    assert "injected" in found.text and "edited" in found.text


def test_interventions_are_said_with_their_steps() -> None:
    seed = "a photo of a <category>"
    events = [
        *loaded(),
        ev.TemplateInjected(step=0, template="my <category>."),
        ev.Edited(number=1, step=1, edit=SetOption(key="steering.alpha", value=0.25)),
        ev.Edited(number=2, step=1, edit=PinTemplate(key=seed, pinned=True)),
        ev.Edited(number=3, step=2, edit=BanTemplate(key=seed, banned=True)),
        ev.EditUndone(number=3),
        ev.InjectionRefused(template="your <category>.", reason="too long"),
    ]
    text = page(run_of(*events)).text
    for words in (
        "0 injected my <category>. not scored yet",
        "1 edited steering.alpha = 0.25",
        "1 pinned a photo of a <category>.",
        "2 banned a photo of a <category>. taken back before it took effect",
        "not scored your <category>. too long",
    ):
        assert words in text


def test_who_did_what_and_why_is_said_and_what_was_refused_is_said_once() -> None:
    by = {"author": "ada", "reason": "<b>too</b> strong"}
    events = [
        *loaded(),
        ev.Edited(number=1, step=1, edit=SetOption(key="steering.alpha", value=0.25), **by),
        ev.EditUndone(number=1, author="bob"),
        ev.StepStarted(step=1),
        ev.TemplateInjected(step=1, template="your <category>.", **by),
        ev.InjectionRefused(template="your <category>.", reason="too long"),
    ]
    run = run_of(*events)
    text = page(run).text
    assert (
        "steering.alpha = 0.25 taken back before it took effect, by bob by ada, because: " in text
    )
    assert "1 injected your <category>. not scored: too long" in text
    assert text.count("your <category>.") == 1 and "not scored yet" not in text
    rows = json.loads(str(make_content(run, "json")))["interventions"]
    assert [(row["kind"], row["author"], row["reason"]) for row in rows] == [
        ("edited", "ada", "<b>too</b> strong"),
        ("injected", "ada", "<b>too</b> strong"),
    ]


def test_a_run_whose_process_is_gone_is_called_interrupted(tmp_path: Path) -> None:
    events = [*loaded(), *one_step(1, {"a new <category>.": 6})]
    journal = Journal.create(tmp_path / "run")
    journal.append(*events)
    assert "A run of glov, running" in page(read_exported(tmp_path / "run")).text
    journal.close()  # this process drove it, and is done with it
    run = read_exported(tmp_path / "run")
    assert "A run of glov, interrupted" in page(run).text
    assert "Interrupted, 1 step of" in str(make_content(run, "md"))
    assert json.loads(str(make_content(run, "json")))["status"] == "interrupted"


def test_the_curve_has_every_step_and_test(undisturbed: Path) -> None:
    run = read_exported(undisturbed)
    curve = curve_of(run)
    assert curve is not None
    assert [tick.text for tick in curve.x_ticks] == ["0", "1", "2", "3"]
    assert curve.best.count("H") == len(run.state.steps)
    tests = {(test.subject, test.step) for test in run.state.tests}
    assert len(curve.marks) == len(tests)
    for mark in curve.marks:
        assert curve.top - 0.1 <= mark.high <= mark.y <= mark.low <= curve.bottom + 0.1
        assert curve.left <= mark.x <= curve.right
    assert {entry.entry for entry in curve.legend} == {
        *("train", "means", "start"),
        *("seed", "best", "ensemble"),
    }


def test_the_matrix_counts_every_image_once(undisturbed: Path) -> None:
    run = read_exported(undisturbed)
    best, models = run.state.best, run.state.models
    assert best is not None and models is not None
    seen = see(run, best)
    assert not isinstance(seen, str) and seen.matrix is not None
    counts = [[cell.count for cell in row] for row in seen.matrix.rows]
    assert [sum(row) for row in counts] == list(models.class_sizes)
    assert sum(counts[n][n] for n in range(len(counts))) == best.hits


def test_without_predictions_the_page_says_so(undisturbed: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    shutil.copytree(undisturbed, folder)
    shutil.rmtree(folder / PREDICTIONS)
    found = page(read_exported(folder))
    assert "It is not known here which images it took for what" in found.text
    assert not found.of("img")


def test_large_images_are_made_small() -> None:
    assert data_uri(Image.new("RGB", (32, 32))).startswith("data:image/png;base64,")
    large = data_uri(Image.effect_noise((2000, 1000), 90).convert("RGB"))
    assert large.startswith("data:image/jpeg;base64,") and len(large) < 40_000
    assert SIDE == 160
