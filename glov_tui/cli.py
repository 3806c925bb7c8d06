"""The ``glov`` command. Nothing heavy is imported here: help must cost what Typer costs."""

from __future__ import annotations

import copy
import gc
import sys
from pathlib import Path
from typing import Annotated

import typer

from glov_tui.commands.arguments import (
    AsJson,
    ConfigArgument,
    DemoVLM,
    Detach,
    Headless,
    ImageSplit,
    LowBandwidth,
    Override,
    RunArgument,
    RunDir,
    SomeConfig,
    TrustRun,
    parse_path,
)
from glov_tui.commands.completion import (
    complete_dataset,
    complete_format,
    complete_preset,
    complete_run,
    complete_run_or_sweep,
    complete_source,
)
from glov_tui.commands.program import run_program
from glov_tui.commands.several import SeveralValues
from glov_tui.commands.wrong_calls import CleaningGroup

app = typer.Typer(
    name="glov",
    cls=CleaningGroup,
    help="Optimise the prompts of a vision-language model with GLOV, and watch it live.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
config_app = typer.Typer(help="Write and inspect configurations.", no_args_is_help=True)
app.add_typer(config_app, name="config")


def _say_version(wanted: bool) -> None:
    if wanted:
        from engine.common.versions import own_versions

        typer.echo(f"glov {own_versions()['glov-tui']}")
        raise typer.Exit


@app.callback()
def top(
    version: Annotated[
        bool,
        typer.Option("--version", help="Say the version.", callback=_say_version, is_eager=True),
    ] = False,
) -> None:
    """Optimise the prompts of a vision-language model with GLOV, and watch it live."""


@app.command()
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


@app.command()
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


@app.command()
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


@app.command()
def attach(run: RunArgument, low_bandwidth: LowBandwidth = False) -> None:
    """Show a run that is under way, wherever it was started on this machine."""
    from glov_tui.commands.attach import attach_screen

    raise typer.Exit(attach_screen(run, low_bandwidth))


@app.command()
def stop(run: RunArgument) -> None:
    """End a run that is under way, from outside; `glov resume` goes on with it."""
    from glov_tui.commands.stop import stop_run

    stop_run(run)


@app.command()
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


@app.command()
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
        bool, typer.Option("--headless", help="As for other commands; a sweep has no screen.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Run every combination of some keys' values, and show mean and spread over seeds."""
    from glov_tui.commands.sweep import drive_sweep

    gc.enable()
    code = drive_sweep(config, override or [], grid, sweep_dir, as_json)
    raise typer.Exit(code)


@app.command(cls=SeveralValues)
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


@app.command()
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


@app.command()
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


@app.command()
def check(run: RunArgument, as_json: AsJson = False) -> None:
    """Say whether a run's journal, and the caches it rests on, are what was written."""
    from glov_tui.commands.check import print_check

    raise typer.Exit(print_check(run, as_json))


@app.command()
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
        Path | None,
        typer.Option(
            help="File to write, or a folder to write it into; - for standard output.",
            show_default="exports/ in the run's folder",
            parser=parse_path,
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


@app.command()
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


@app.command()
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
    replies: Annotated[int, typer.Option(min=1, max=1024, help="Replies per setting.")] = 4,
    seed: Annotated[
        int, typer.Option(min=0, max=2**63 - 1, show_choices=False, help="Seed of the replies.")
    ] = 0,
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
        replies=replies,
        seed=seed,
        lens=lens,
        fitness=fitness,
        as_json=as_json,
        trusted=trust_run,
    )
    run_steer(request)


@app.command("eval")
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
            help="Templates to measure in place of the run's: text, JSON, CSV, or another run.",
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


@config_app.command("init")
def config_init(
    path: Annotated[
        Path, typer.Argument(help="File to write; - for standard output.", parser=parse_path)
    ],
    preset: Annotated[
        str, typer.Option(help="Preset to start from.", autocompletion=complete_preset)
    ] = "clip-paper",
    force: Annotated[bool, typer.Option(help="Replace the file if it exists.")] = False,
) -> None:
    """Write a configuration in which every key is explained."""
    from glov_tui.commands.config import write_config

    write_config(path, preset, force)


@config_app.command("show")
def config_show(
    config: ConfigArgument,
    override: Override = None,
    as_json: AsJson = False,
) -> None:
    """Print a configuration as it would run, with all defaults."""
    from glov_tui.commands.config import print_config

    print_config(config, override or [], as_json)


@app.command()
def datasets(
    name: Annotated[
        str | None,
        typer.Argument(
            help="A data set: how to get it, and whether what is here is right.",
            autocompletion=complete_dataset,
        ),
    ] = None,
    path: Annotated[
        Path | None,
        typer.Option(
            help="Folder with the data sets, or with this one.",
            show_default="$GLOV_DATA_DIR",
            parser=parse_path,
            metavar="FOLDER",
        ),
    ] = None,
    source: Annotated[
        str,
        typer.Option(
            help="Form to read: folder, webdataset, torchvision, hub or auto.",
            autocompletion=complete_source,
        ),
    ] = "auto",
    fetch: Annotated[bool, typer.Option("--fetch", help="Get what plain downloads get.")] = False,
    no_images: Annotated[
        bool, typer.Option("--no-images", help="No sample images in the terminal.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """List the data sets that a configuration can name, or say all about one."""
    from glov_tui.commands.datasets import print_chosen

    raise typer.Exit(
        print_chosen(name, path, source, fetch=fetch, as_json=as_json, images=not no_images)
    )


@app.command()
def doctor(config: SomeConfig = None, override: Override = None, as_json: AsJson = False) -> None:
    """Say what this machine has, and whether a configuration's LLM server answers."""
    from glov_tui.commands.doctor import report

    raise typer.Exit(report(as_json, config, override or []))


def _with_only(name: str) -> typer.Typer:
    """The app with the one command that was called: Typer reads the signature of each it has."""
    called = [
        c for c in app.registered_commands if c.callback and (c.name or c.callback.__name__) == name
    ]
    if not called:
        return app
    single = copy.copy(app)
    single.registered_commands, single.registered_groups = called, []
    return single


def main() -> None:
    """Entry point of the ``glov`` command."""
    run_program(_with_only(sys.argv[1] if len(sys.argv) > 1 else ""))


if __name__ == "__main__":
    main()
