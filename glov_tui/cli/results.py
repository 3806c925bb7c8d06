"""The commands that show, measure and export what runs have found."""

from __future__ import annotations

import gc
from typing import Annotated

import typer

from glov_tui.cli.app import app
from glov_tui.commands.arguments import (
    AsJson,
    ImageSplit,
    LowBandwidth,
    Override,
    RunArgument,
    TrustRun,
)
from glov_tui.commands.completion import (
    complete_format,
    complete_preset,
    complete_run,
    complete_run_or_sweep,
)

PANEL = "Results"


@app.command(rich_help_panel=PANEL)
def compare(
    runs: Annotated[
        list[str],
        typer.Argument(
            help="Folders of runs or sweeps, names in runs/ or the beginnings of them, or latest.",
            autocompletion=complete_run_or_sweep,
        ),
    ],
    baseline: Annotated[
        list[str] | None,
        typer.Option(
            metavar="KEY.PATH=VALUE",
            help="The group that others are tested against.",
            show_default="steering.mode=off, or the first group",
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Put runs and sweeps side by side, with confidence intervals and paired tests."""
    from glov_tui.commands.compare import print_comparison

    gc.enable()
    print_comparison(runs, baseline or [], as_json)


@app.command(rich_help_panel=PANEL)
def runs(
    folders: Annotated[
        list[str] | None,
        typer.Argument(
            help="Folders with runs, runs or sweeps.",
            show_default="runs/",
            autocompletion=complete_run_or_sweep,
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """List runs, with how far they are; the one with the latest news is last."""
    from glov_tui.commands.runs import print_runs

    print_runs(folders or [], as_json)


@app.command(rich_help_panel=PANEL)
def check(run: RunArgument, as_json: AsJson = False) -> None:
    """Say whether a run's journal, and the caches it rests on, are what was written."""
    from glov_tui.commands.check import print_check

    raise typer.Exit(print_check(run, as_json))


@app.command(rich_help_panel=PANEL)
def export(
    run: RunArgument,
    form: Annotated[
        str,
        typer.Option(
            "--format",
            metavar="NAME",
            help="html, md, csv, json, python, python-transformers, head or tensorboard.",
            autocompletion=complete_format,
        ),
    ] = "html",
    out: Annotated[
        str | None,
        typer.Option(
            help="File to write, or a folder to write it into (one that ends in / is made); "
            "- for standard output.",
            show_default="exports/ in the run's folder",
            metavar="PATH",
        ),
    ] = None,
    override: Override = None,
    force: Annotated[bool, typer.Option("--force", help="Replace what is there.")] = False,
    as_json: AsJson = False,
    trust_run: TrustRun = False,
) -> None:
    """Write a run's result for elsewhere: a report, a table, a script, a classifier head."""
    from glov_tui.commands.export import ExportRequest, export_run

    export_run(ExportRequest(run, form, out, override or [], force, trust_run, as_json))


@app.command(rich_help_panel=PANEL)
def replay(
    run: RunArgument,
    speed: Annotated[
        str, typer.Option(metavar="1-64|max", help="Times the recorded speed; - and + change it.")
    ] = "1",
    low_bandwidth: LowBandwidth = False,
) -> None:
    """Play a run back in the cockpit, from its journal alone: no model is loaded."""
    from glov_tui.commands.replay import replay_run

    raise typer.Exit(replay_run(run, speed, low_bandwidth))


@app.command(rich_help_panel=PANEL)
def steer(
    run: Annotated[
        str | None,
        typer.Argument(
            help="A run, for its models, prompt, P+ and P-.", autocompletion=complete_run
        ),
    ] = None,
    positive: Annotated[str | None, typer.Option(help="The text to steer towards.")] = None,
    negative: Annotated[str | None, typer.Option(help="The text to steer away from.")] = None,
    prompt: Annotated[str | None, typer.Option(help="What the LLM is asked.")] = None,
    layer: Annotated[
        list[int] | None, typer.Option(min=0, help="Decoder layer; several make a grid.")
    ] = None,
    alpha: Annotated[list[float] | None, typer.Option(help="Alpha; several make a grid.")] = None,
    mode: Annotated[str | None, typer.Option(help="Steering mode.")] = None,
    alpha_unit: Annotated[str | None, typer.Option(help="absolute or relative.")] = None,
    pool: Annotated[str | None, typer.Option(help="no-bos, paper, reference or last.")] = None,
    step: Annotated[
        int | None,
        typer.Option(min=1, help="A past step of the run: decoded as it was, and not steered."),
    ] = None,
    replies: Annotated[
        int | None,
        typer.Option(min=1, max=1024, help="Replies per setting.", show_default="4, or the step's"),
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option(
            min=0, max=2**63 - 1, show_choices=False, help="Seed of the replies.", show_default="0"
        ),
    ] = None,
    lens: Annotated[bool, typer.Option("--lens", help="Also the direction's logit lens.")] = False,
    fitness: Annotated[
        bool, typer.Option("--fitness", help="Also score the templates that come out.")
    ] = False,
    config: Annotated[
        str | None,
        typer.Option(
            help="Whose LLM, where no run is given.",
            show_default="demo",
            autocompletion=complete_preset,
        ),
    ] = None,
    override: Override = None,
    as_json: AsJson = False,
    trust_run: TrustRun = False,
) -> None:
    """Show what steering does: replies with and without it, or a grid of layers and alphas."""
    from glov_tui.commands.steer import Request
    from glov_tui.commands.steer import steer as run_steer

    request = Request(
        run=run,
        config=config,
        overrides=override or [],
        positive=positive,
        negative=negative,
        prompt=prompt,
        layers=layer or [],
        alphas=alpha or [],
        mode=mode,
        alpha_unit=alpha_unit,
        pool=pool,
        step=step,
        replies=replies,
        seed=seed,
        lens=lens,
        fitness=fitness,
        as_json=as_json,
        trusted=trust_run,
    )
    run_steer(request)


@app.command("eval", rich_help_panel=PANEL)
def evaluate(
    run: Annotated[
        str | None,
        typer.Argument(
            help="A run: its best template and ensembles, with its VLM and images.",
            autocompletion=complete_run,
        ),
    ] = None,
    templates: Annotated[
        str | None,
        typer.Option(
            metavar="FILE|RUN",
            help="Templates to measure in place of the run's: text, JSON, CSV, or another run; "
            "- for standard input.",
        ),
    ] = None,
    backbone: Annotated[
        list[str] | None,
        typer.Option(
            metavar="MODEL[:TAG]",
            help="Also with this VLM: an open_clip name and tag, hf-hub:org/name or a folder. "
            "May be given often.",
        ),
    ] = None,
    against: Annotated[
        str | None,
        typer.Option(
            metavar="FILE|RUN", help="Compare with these, image by image (McNemar's test)."
        ),
    ] = None,
    split: Annotated[
        ImageSplit, typer.Option(help="test, or train: the images that templates are chosen on.")
    ] = ImageSplit.TEST,
    config: Annotated[
        str | None,
        typer.Option(
            help="Whose images and VLM, where no run is given.",
            show_default="demo",
            autocompletion=complete_preset,
        ),
    ] = None,
    override: Override = None,
    as_json: AsJson = False,
    trust_run: TrustRun = False,
) -> None:
    """Measure a run or any templates on the test split, on other models too, and against others."""
    from engine.analysis.evaluating import Asked
    from glov_tui.commands.evaluate import print_evaluation

    gc.enable()
    asked = Asked(
        run=run,
        templates=templates,
        config=config,
        overrides=override or [],
        backbones=backbone or [],
        against=against,
        split=split.value,
        trusted=trust_run,
    )
    raise typer.Exit(print_evaluation(asked, as_json))
