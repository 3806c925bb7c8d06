"""``glov steer``: the steering lab on the command line, on a run's models or on any LLM."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from pydantic import ValidationError
from rich.console import Console
from rich.status import Status
from rich.text import Text

from engine.common.errors import ConfigError
from engine.common.validation import problem, shown
from engine.config import RunConfig
from engine.config.steered_layers import resolve_layers
from engine.config.toml_file import load_config, preset_file
from engine.llm.refusals import not_steerable
from engine.models import threads
from engine.placement.wanted import Wanted
from engine.prompts.message import Message
from engine.run import events as ev
from engine.run.contract import Expected, check_fitness, check_llm
from engine.run.experiment import (
    MAX_REPLIES,
    CellMeasured,
    CompareSettings,
    Experiment,
    LensRead,
    ReadLens,
    RepliesCompared,
    ScanSettings,
    SteeringSetting,
)
from engine.run.state import RunState
from engine.search.registry import next_question
from engine.session.wanted_models import wanted_models
from engine.steering.measures import LayerLens, TracedReply
from engine.steering.soundness import Remark, remarks
from engine.storage.journal import read_state
from engine.storage.past_step import PastStep, read_past_step
from engine.storage.run_folder import find_run, run_argument
from engine.storage.trust import check_trust
from engine.vlm.families import task_of, with_seed_template
from glov_tui.commands.steer_report import SteerFacts, SteerReport, print_report, report_as_dict
from glov_tui.common.text import clean
from glov_tui.terminal.printing import print_json

if TYPE_CHECKING:
    from engine.search.lab import Subject

REPLIES = 4
OFF = SteeringSetting(mode="off", layers=(), alpha=0)


@dataclass(frozen=True)
class Request:
    """What was asked for; None and empty: as the run or the configuration has it."""

    run: str | None
    config: str | None
    overrides: Sequence[str]
    positive: str | None
    negative: str | None
    prompt: str | None
    layers: Sequence[int]
    alphas: Sequence[float]
    mode: str | None
    alpha_unit: str | None
    pool: str | None
    replies: int | None
    seed: int | None
    lens: bool
    fitness: bool
    as_json: bool
    step: int | None = None  # of the run: its prompt, settings and random numbers
    trusted: bool = False  # the run, also where somebody else may have written it


def steer(request: Request) -> None:
    """Load the LLM, make the experiment and print what it found.

    Raises:
        UserError: naming what is missing or can't be used.
    """
    past = _past_step(request)
    config, positive, negative, messages = _subject(request, past)
    if config.llm.is_served:
        reason = not_steerable(config.llm.model, config.llm.kind)
        raise ConfigError(f"{reason}. Choose an llm.model of this machine (llm.kind = local)")
    expected = _expected(request)
    console = Console(stderr=True, highlight=False)
    with console.status("loading libraries") as status:

        def progress(what: str, done: int = 0, total: int = 0) -> None:
            share = f" {done}/{total}" if total else ""
            status.update(Text(clean(f"loading {what}{share}")))

        threads.prepare()
        from engine.llm.loading import load_llm
        from engine.search.lab import Subject
        from engine.session.experiments import reply_seeds
        from engine.session.room import check_room
        from engine.vlm.loading import load_fitness

        def warn(text: str) -> None:
            console.print(Text(clean(text)))

        wanted = wanted_models(config) if request.fitness else Wanted(vlm=False)
        check_room(config, replace(wanted, llm=True), warn)
        llm = load_llm(config.llm, progress)
        if llm.layers == 0:
            raise ConfigError(f"{not_steerable(llm.name)}. Choose another llm.model")
        if expected is not None:
            check_llm(expected, llm)
        setting = _setting(request, config, llm.layers, past)
        fitness = None
        if request.fitness:
            fitness = load_fitness(config, progress, warn)
            if expected is not None:
                check_fitness(expected, fitness)
        accept, task = config.proposal.accept, task_of(config.vlm)
        seeds = reply_seeds(past) if past is not None else ()
        subject = Subject(
            llm, messages, config.sampling, positive, negative, task, fitness, accept, seeds
        )
        report = _report(request, setting, subject, status)
    if request.as_json:
        found = report_as_dict(report)
        document: SteerFacts = {
            "llm": config.llm.model,
            "positive": positive,
            "negative": negative,
            **found,
        }
        print_json(document)
        return
    out = Console(highlight=False)
    for name, text in (("P+", positive), ("P-", negative)):
        out.print(f"{name} {clean(text)}", markup=False)
    print_report(report, out)


def _past_step(request: Request) -> PastStep | None:
    """The step that is to be decoded again.

    Raises:
        ConfigError: if there is no run, or other words for the step are given too.
        JournalError: if the journal has no replies of it.
    """
    if request.step is None:
        return None
    if request.run is None:
        raise ConfigError(f"--step {request.step}: give the run whose step it is")
    if request.prompt is not None or request.seed is not None:
        both = "--prompt" if request.prompt is not None else "--seed"
        raise ConfigError(f"{both}: --step {request.step} has its own; leave one of both out")
    return read_past_step(find_run(request.run), request.step)


def _subject(
    request: Request, past: PastStep | None
) -> tuple[RunConfig, str, str, tuple[Message, ...]]:
    """Configuration, P+, P- and the prompt."""
    positive, negative = request.positive, request.negative
    messages: tuple[Message, ...] | None = None
    if request.run is not None:
        if request.config is not None or request.overrides:
            raise ConfigError(
                f"{request.run}: a run has its own configuration; leave --config and --set out, or "
                "the run"
            )
        folder = find_run(request.run)
        state = read_state(folder)
        assert state.config is not None  # a journal begins with it
        check_trust(folder, state.config, request.trusted)
        config, anchors = state.config, state.anchors
        if past is not None:
            config = past.config
            if past.prepared is not None:
                anchors = past.prepared.positive, past.prepared.negative
        if anchors is not None:
            found = [state.find(key) for key in anchors]
            positive = positive or (found[0].text if found[0] else None)
            negative = negative or (found[1].text if found[1] else None)
        if past is not None:
            messages = past.messages or None
        elif request.prompt is None:
            messages = _run_messages(state)
    else:
        source = request.config or preset_file("demo")
        config = with_seed_template(load_config(source, list(request.overrides)))
    if request.prompt is not None:
        from engine.search.meta_prompt import with_prefix  # with jinja

        asked: Message = {"role": "user", "content": request.prompt}
        messages = with_prefix([asked], config.proposal.reply_prefix)
    if positive is None or negative is None:
        where = "the run has no P+ and P- yet" if request.run else "there is no run to take them of"
        raise ConfigError(f"{where}; give --positive TEXT and --negative TEXT")
    if messages is None:
        raise ConfigError("there is no prompt to answer; give --prompt TEXT, or a run that has one")
    return config, positive, negative, messages


def _expected(request: Request) -> Expected | None:
    """The models and data of the run, where there is one that was loaded."""
    if request.run is None:
        return None
    folder = find_run(request.run)
    state = read_state(folder)
    if state.models is None:
        return None
    return Expected(state.models, run_argument(folder), state.steps_done)


def _run_messages(state: RunState) -> tuple[Message, ...] | None:
    """What the run asked last, or would ask next."""
    if state.prompt is not None:
        return state.prompt.messages
    if state.models is None or state.config is None:
        return None
    return next_question(state)


def _setting(
    request: Request, config: RunConfig, n_layers: int, past: PastStep | None
) -> SteeringSetting:
    steering = config.steering
    alpha = steering.alphas[0] if steering.alpha == "auto" else steering.alpha
    then = past.setting if past is not None else None
    deep = next((layer for layer in request.layers if layer >= n_layers), None)
    if deep is not None:
        raise ConfigError(f"--layer {deep}: the LLM has the decoder layers 0 to {n_layers - 1}")
    values = {
        "mode": request.mode or (steering.mode if steering.mode != "off" else "last-token"),
        "layers": tuple(request.layers) or resolve_layers(steering, n_layers),
        "alpha": request.alphas[0] if request.alphas else alpha,
        "alpha_unit": request.alpha_unit or steering.alpha_unit,
        "pool": request.pool or steering.pool,
    }
    if then is not None:  # but for what is asked for
        asked = {"layers": request.layers, "alpha": request.alphas}
        asked |= {name: getattr(request, name) for name in ("mode", "alpha_unit", "pool")}
        values |= {name: value for name, value in then.model_dump().items() if not asked[name]}
    try:
        return SteeringSetting.model_validate(values)
    except ValidationError as error:
        raise _wrong_option(error) from error


def _wrong_option(error: ValidationError) -> ConfigError:
    first = error.errors()[0]
    name = str(first["loc"][-1]).replace("_", "-")
    return ConfigError(f"--{name} {shown(first['input'])}: {problem(first)}")


def _report(
    request: Request, setting: SteeringSetting, subject: Subject, status: Status
) -> SteerReport:
    several = len(request.layers) > 1 or len(request.alphas) > 1
    replies = request.replies or len(subject.seeds[:MAX_REPLIES]) or REPLIES
    experiments: list[Experiment] = []
    try:
        if several or request.fitness:
            experiments.append(
                ScanSettings(
                    setting=setting,
                    layers=setting.layers,
                    alphas=tuple(request.alphas) or (setting.alpha,),
                    replies=replies,
                    seed=request.seed or 0,
                    fitness=request.fitness,
                )
            )
        else:
            compare = CompareSettings(
                left=OFF, right=setting, replies=replies, seed=request.seed or 0
            )
            experiments.append(compare)
    except ValidationError as error:
        raise _wrong_option(error) from error
    if request.lens:
        experiments.append(ReadLens(pool=setting.pool))
    from engine.search.lab import run_experiment

    said = _remarks(setting, subject, not (several or request.fitness))
    pairs: list[tuple[TracedReply, TracedReply]] = []
    cells: list[CellMeasured] = []
    lens: tuple[LayerLens, ...] = ()
    for experiment in experiments:
        for event in run_experiment(experiment, subject):
            status.update(f"decoding {event.done}/{event.total}")
            match event.found:
                case RepliesCompared(left=left, right=right):
                    pairs += zip(left, right, strict=True)
                case CellMeasured() as cell:
                    cells.append(cell)
                case LensRead(layers=layers):
                    lens = layers
    return SteerReport(
        settings=(OFF, setting) if pairs else None,
        pairs=pairs,
        setting=setting,
        cells=cells,
        lens=lens,
        remarks=said,
    )


def _remarks(setting: SteeringSetting, subject: Subject, strength: bool) -> tuple[Remark, ...]:
    """What a user should know of the direction; ``strength``: of alpha too, where there is one."""
    actadd = setting.mode == "actadd"
    direction = subject.llm.direction(subject.positive, subject.negative, setting.pool, actadd)
    prepared = ev.SteeringPrepared(
        step=0,
        positive=subject.positive,
        negative=subject.negative,
        **setting.model_dump(),
        **direction.figures(setting.layers),
    )
    return tuple(r for r in remarks(prepared) if strength or not r.key.startswith("strength"))
