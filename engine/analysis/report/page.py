"""The report of a run as one page of HTML: no script, nothing from elsewhere, no server.

All text goes through Jinja's escaping, and before it through ``clean``: names, templates, replies
and file names are other people's. The page forbids itself whatever it has not got
(Content-Security-Policy): scripts, requests, forms; its one style sheet is named by its hash.
"""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass
from importlib.resources import files

import jinja2
from markupsafe import Markup

from engine.analysis.export.exported import Exported
from engine.analysis.export.history import steps_of, tests_of
from engine.analysis.export.interventions import interventions_of
from engine.analysis.export.wording import interval, members, moment, origin, percent, test_interval
from engine.analysis.phrase_rows import phrases_of_best
from engine.analysis.phrase_wording import (
    WHAT_WORTH_IS,
    ends,
    origin_words,
    partial_words,
    points,
)
from engine.analysis.report.curve import curve_of, shape
from engine.analysis.report.pictures import MOST_CONFUSIONS, see
from engine.analysis.report.steering import steering_of
from engine.analysis.report.times import PHASE_WORDS, times_of
from engine.common.harmless import clean
from engine.common.versions import own_versions
from engine.common.wording import counted
from engine.config.toml_file import format_config
from engine.vlm.families import seed_template

MOST_TEMPLATES = 25  # that are in view; the others fold out
_ROOM = "engine.analysis.report"


@dataclass(frozen=True, slots=True)
class Fact:
    """A line of the configuration in short."""

    name: str
    value: str


def write(run: Exported) -> str:
    """The whole page."""
    state, best = run.state, run.state.best
    phrases = phrases_of_best(state)
    style = _style()
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    return (
        _environment()
        .get_template("page.html.jinja")
        .render(
            run=run,
            state=state,
            config=run.config,
            name=run.folder.resolve().name,
            style=Markup(style),
            style_hash=digest,
            facts=_facts(run),
            whole_config=format_config(run.config, comments=False),
            as_of=_as_of(run),
            versions=own_versions(),
            curve=curve_of(run),
            steps=steps_of(run),
            tests=tests_of(run),
            most_templates=MOST_TEMPLATES,
            phrases=phrases,
            what_worth_is=WHAT_WORTH_IS,
            partial=partial_words(phrases),
            most_confusions=MOST_CONFUSIONS,
            interventions=interventions_of(run, tests=True),
            steering=steering_of(run),
            times=times_of(run),
            phase_words=PHASE_WORDS,
            seen=see(run, best) if best is not None else "No template was scored yet.",
        )
    )


def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FunctionLoader(lambda name: files(_ROOM).joinpath(name).read_text("utf-8")),
        autoescape=True,
        finalize=_finalised,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "percent": percent,
        "interval": interval,
        "counted": counted,
        "points": points,
        "ends": ends,
        "lines": lambda text: Markup("{}").format(clean(text, keep_newlines=True)),
    }
    environment.globals |= {
        "members": members,
        "moment": moment,
        "shape": shape,
        "origin": origin,
        "origin_words": origin_words,
        "test_interval": test_interval,
    }
    return environment


def _finalised(value: object) -> object:
    """Every text on one line and without what can't be seen; it is escaped after that."""
    return clean(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def _style() -> str:
    return files(_ROOM).joinpath("page.css").read_text("utf-8")


def _as_of(run: Exported) -> str:
    """When the last fact was journaled, UTC."""
    return moment(run.events[-1].time)


def _facts(run: Exported) -> list[Fact]:
    config, models = run.config, run.state.models
    steering = config.steering
    found = []
    if models is not None:
        classes = counted(len(models.class_names), "class", "classes")
        found += [
            Fact("data", f"{models.dataset_name}: {classes}"),
            Fact("images", f"{models.train_size} training, {models.test_size} test"),
        ]
    found += [
        Fact("shots", str(config.data.shots)),
        Fact("VLM", f"{models.vlm if models else config.vlm.model} ({config.vlm.kind})"),
    ]
    if config.vlm.kind == "encoder-decoder":
        found.append(Fact("answers", config.vlm.answer))
    found += [
        Fact("LLM", (models.llm or "none") if models else config.llm.model),
        Fact("search", config.search.kind + (", racing" if config.search.racing else "")),
        Fact("steps", f"{run.state.steps_done} of {config.steps} done"),
        Fact("seed of the run", str(config.seed)),
        Fact("seed template", seed_template(config)),
        Fact("steering", f"{steering.mode}, alpha {steering.alpha}"),
        Fact(
            "ensemble",
            f"{counted(config.evaluation.ensemble, 'template')}, {config.evaluation.select}",
        ),
    ]
    return found
