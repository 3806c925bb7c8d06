"""The commands that make runs and drive them."""

from __future__ import annotations

import gc
from pathlib import Path
from typing import Annotated

import typer

from glov_tui.cli.app import app
from glov_tui.commands.arguments import (
    Action,
    AsJson,
    BackendKind,
    ConfigArgument,
    DemoVLM,
    Detach,
    Headless,
    LowBandwidth,
    Override,
    RunArgument,
    RunDir,
    RunOrSweepArgument,
    TrustRun,
    parse_path,
)
from glov_tui.commands.completion import complete_dataset
from glov_tui.commands.several import SeveralValues
from glov_tui.commands.wrong_calls import NumbersCommand

PANEL = "Runs"


@app.command(rich_help_panel=PANEL)
def demo(
    headless: Headless = False,
    detach: Detach = False,
    as_json: AsJson = False,
    steps: Annotated[int | None, typer.Option(min=0, help="Optimisation steps.")] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Seed of the run.")] = None,
    dataset: Annotated[
        str | None,
        typer.Option(help="A demo data set: `glov datasets`.", autocompletion=complete_dataset),
    ] = None,
    vlm: Annotated[
        DemoVLM, typer.Option(help="clip, whose prompts are templates, or llava: questions.")
    ] = DemoVLM.CLIP,
    run_dir: RunDir = None,
    override: Override = None,
    low_bandwidth: LowBandwidth = False,
) -> None:
    """Run GLOV on small models that come with glov: no GPU, no download."""
    values = {"steps": steps, "seed": seed, "data.dataset": dataset}
    given = [f"{key}={value}" for key, value in values.items() if value is not None]
    from engine.config.toml_file import preset_file
    from glov_tui.commands.driving import How, new_run

    how = How(headless, detach, as_json, low_bandwidth)
    preset = "demo" if vlm is DemoVLM.CLIP else "demo-llava"
    raise typer.Exit(new_run(str(preset_file(preset)), [*given, *(override or [])], run_dir, how))


@app.command(rich_help_panel=PANEL)
def run(
    config: ConfigArgument,
    headless: Headless = False,
    detach: Detach = False,
    as_json: AsJson = False,
    override: Override = None,
    run_dir: RunDir = None,
    low_bandwidth: LowBandwidth = False,
) -> None:
    """Start a new run."""
    from glov_tui.commands.driving import How, new_run

    how = How(headless, detach, as_json, low_bandwidth)
    raise typer.Exit(new_run(config, override or [], run_dir, how))


@app.command(rich_help_panel=PANEL)
def resume(
    run: RunArgument,
    override: Override = None,
    headless: Headless = False,
    detach: Detach = False,
    as_json: AsJson = False,
    low_bandwidth: LowBandwidth = False,
    trust_run: TrustRun = False,
) -> None:
    """Take up a run where it ended, whatever ended it; --set says where data and models are now."""
    from glov_tui.commands.driving import How, resume_run

    how = How(headless, detach, as_json, low_bandwidth, trusted=trust_run)
    raise typer.Exit(resume_run(run, override or [], how))


@app.command(rich_help_panel=PANEL)
def attach(run: RunOrSweepArgument, low_bandwidth: LowBandwidth = False) -> None:
    """Show a run that is under way, wherever it was started on this machine, or a sweep."""
    from glov_tui.commands.attach import attach_screen

    raise typer.Exit(attach_screen(run, low_bandwidth))


@app.command(rich_help_panel=PANEL)
def serve(
    run: RunArgument,
    host: Annotated[
        str, typer.Option(help="Address to listen on; the default is for this machine only.")
    ] = "127.0.0.1",
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="Port to listen on; 0: any that is free.")
    ] = 8000,
    token: Annotated[
        str | None,
        typer.Option(
            envvar="GLOV_SERVE_TOKEN", help="What the address has to hold.", show_default="random"
        ),
    ] = None,
    no_token: Annotated[
        bool, typer.Option("--no-token", help="Let everybody in who is on this machine.")
    ] = False,
    opens: Annotated[bool, typer.Option("--open", help="Open the page in a browser here.")] = False,
    low_bandwidth: LowBandwidth = False,
) -> None:
    """Show a run in a browser: attached to it, or as it has ended."""
    from glov_tui.commands.serve import Serving, serve_run

    gc.enable()
    asked = Serving(host, port, token, no_token, opens, low_bandwidth)
    raise typer.Exit(serve_run(run, asked))


@app.command(rich_help_panel=PANEL)
def stop(run: RunOrSweepArgument) -> None:
    """End a run or a sweep that is under way, from outside; it can go on later."""
    from glov_tui.commands.stop import stop_run

    stop_run(run)


@app.command(rich_help_panel=PANEL, cls=NumbersCommand)
def ctl(
    run: RunArgument,
    action: Annotated[Action, typer.Argument(help="What to do, as above.")],
    values: Annotated[
        list[str] | None, typer.Argument(help="With what.", show_default=False)
    ] = None,
    author: Annotated[
        str, typer.Option(envvar="GLOV_AUTHOR", help="Who asks; journaled with each edit.")
    ] = "",
    reason: Annotated[str, typer.Option(help="Why; journaled with each edit.")] = "",
    take: Annotated[
        bool, typer.Option("--take", help="Take the controls from a screen that has them.")
    ] = False,
    timeout: Annotated[
        float, typer.Option(min=0, help="Seconds that a command may take; 0: any number.")
    ] = 60.0,
    from_start: Annotated[
        bool, typer.Option("--from-start", help="watch: what was before, too.")
    ] = False,
    telemetry: Annotated[
        bool, typer.Option("--telemetry", help="watch: tokens and progress, too.")
    ] = False,
) -> None:
    """Drive a run that is under way from a script: JSON out, one document a line.

    Each waits for what comes of it:

    status                   what it does now, and its result so far
    watch                    its events, a line each, as they come
    pause, resume, step N    between two tokens; N steps, then a pause
    stop                     end its engine; glov resume goes on later
    edit KEY=VALUE ...       options; a wrong KEY is answered with all there are
    alpha A, layer N ...     how it is steered; auto
    prompt FILE              ask the LLM this, once, in the next step
    inject TEMPLATE ...      have it scored and ranked with the others
    pin, unpin, ban, allow   TEMPLATE or #RANK ...: #1 is the best
    anchors P+ P-            templates to steer by, or #RANKs; auto
    undo                     the latest edit that has not taken effect
    test TEMPLATE ...        accuracy on the test split, for you and not for
                             the search; or #RANK ...; every N; off
    note ON TEXT             ON: run, step=N, TEMPLATE, #RANK; note=N changes it
    send                     commands as JSON lines of standard input

    For FILE, TEMPLATE and TEXT a - is standard input; behind -- all are values.

    Exit codes: 0 done, 1 the run says no (why is in the JSON; watch: it failed
    or was killed), 2 the call is wrong (why: standard error), 130 ctrl+c.
    """
    from glov_tui.commands.ctl import control
    from glov_tui.commands.ctl_asked import Asking

    asking = Asking(author, reason, take, timeout or None, from_start, telemetry)
    raise typer.Exit(control(run, action, values or [], asking))


@app.command(rich_help_panel=PANEL)
def fork(
    run: RunArgument,
    at_step: Annotated[
        int, typer.Option(min=0, help="The last step that both share; 0: only the seed's score.")
    ],
    override: Override = None,
    run_dir: RunDir = None,
    headless: Headless = False,
    detach: Detach = False,
    as_json: AsJson = False,
    low_bandwidth: LowBandwidth = False,
    trust_run: TrustRun = False,
) -> None:
    """Start a new run from the end of a step of another one, which stays as it is."""
    from glov_tui.commands.driving import How, fork_run

    how = How(headless, detach, as_json, low_bandwidth, trusted=trust_run)
    raise typer.Exit(fork_run(run, at_step, override or [], run_dir, how))


@app.command(rich_help_panel=PANEL)
def sweep(
    config: ConfigArgument,
    grid: Annotated[
        list[str],
        typer.Option(
            metavar="KEY.PATH=VALUE,VALUE",
            help="A configuration key and its values; seed=0:5 is 0 to 4. May be given often.",
        ),
    ],
    override: Override = None,
    sweep_dir: Annotated[
        Path | None,
        typer.Option(
            help="Folder for the runs; an unfinished sweep's to go on with it.",
            show_default="runs/NAME-sweep-DATE-TIME",
            parser=parse_path,
            metavar="FOLDER",
        ),
    ] = None,
    headless: Annotated[
        bool, typer.Option("--headless", help="No screen: stay to the end, progress on stderr.")
    ] = False,
    backend: Annotated[
        BackendKind, typer.Option(help="One after another here, or wide on a Ray cluster.")
    ] = BackendKind.LOCAL,
    address: Annotated[
        str | None,
        typer.Option(
            metavar="HOST:PORT|auto",
            help="Of the Ray cluster; auto: the one that this machine is part of.",
            show_default="RAY_ADDRESS, or this machine",
        ),
    ] = None,
    gpus_per_trial: Annotated[
        float | None,
        typer.Option(
            help="GPUs of a run on Ray; 0.5: two share one.", show_default="1 where there are any"
        ),
    ] = None,
    cpus_per_trial: Annotated[
        float | None, typer.Option(help="CPUs of a run on Ray.", show_default="1")
    ] = None,
    retries: Annotated[
        int | None,
        typer.Option(
            help="How often a run is taken up whose process or node was lost on Ray.",
            show_default="3",
        ),
    ] = None,
    as_json: AsJson = False,
    low_bandwidth: LowBandwidth = False,
) -> None:
    """Run every combination of some keys' values, and show mean and spread over seeds."""
    from glov_tui.commands.sweep import Shown, drive_sweep, ray_options

    gc.enable()
    ray = ray_options(backend is BackendKind.RAY, address, gpus_per_trial, cpus_per_trial, retries)
    shown = Shown(headless, as_json, low_bandwidth)
    code = drive_sweep(config, override or [], grid, sweep_dir, shown, ray)
    raise typer.Exit(code)


@app.command(cls=SeveralValues, rich_help_panel=PANEL)
def reproduce(
    table: Annotated[str, typer.Option(help="1 (CLIP), 2 (LLaVA-OneVision) or demo (offline).")],
    datasets: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME ...",
            help="Some of its data sets.",
            show_default="all",
            autocompletion=complete_dataset,
        ),
    ] = None,
    methods: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME ...",
            help="s-temp, ds-temp, llm-opt, unsteered, glov, ours.",
            show_default="the table's",
        ),
    ] = None,
    seeds: Annotated[
        list[str] | None,
        typer.Option(metavar="N ...", help="Seeds; 0:5 is 0 to 4.", show_default="the table's"),
    ] = None,
    templates: Annotated[
        Path | None,
        typer.Option(
            help="DS-TEMP's templates: a file, or a folder with NAME.txt, .json or .csv.",
            show_default="OpenAI's",
            parser=parse_path,
            metavar="PATH",
        ),
    ] = None,
    override: Override = None,
    sweep_dir: Annotated[
        Path | None,
        typer.Option(
            help="Folder for the runs; what is finished in it is not run again.",
            show_default="runs/table-TABLE",
            parser=parse_path,
            metavar="FOLDER",
        ),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only say what it costs, by a short measurement.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Start without asking.")] = False,
    as_json: AsJson = False,
) -> None:
    """Run a table of the paper, or go on with it, and show ours beside the paper's numbers."""
    from glov_tui.commands.reproduce import Call
    from glov_tui.commands.reproduce import reproduce as run_table

    gc.enable()
    call = Call(
        table=table,
        datasets=datasets or [],
        methods=methods or [],
        seeds=seeds or [],
        overrides=override or [],
        templates=templates,
        folder=sweep_dir,
        dry_run=dry_run,
        yes=yes,
        as_json=as_json,
    )
    raise typer.Exit(run_table(call))
