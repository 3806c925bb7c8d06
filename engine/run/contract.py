"""What a run rests on and must find again when it is taken up: the same data and models.

A run's templates are ranked by scores, so all of them must be of the same images, classes and VLM;
and its replies go on as if it had never stopped only with the same LLM. Library versions may
differ: that is said.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from engine.common.errors import ModelError
from engine.common.names import quoted
from engine.common.wording import counted
from engine.run import events as ev

if TYPE_CHECKING:
    from engine.llm.interface import LanguageModel
    from engine.vlm.interface import Fitness

_SHOWN_NAMES = 3


class Expected(NamedTuple):
    """What a run was loaded with the last time."""

    models: ev.ModelsLoaded
    run: str  # as a command line names it
    step: int  # the last one that is done
    command: str = "resume"  # of glov, that rests on it


class ContractError(ModelError):
    """What is there now is not what the run rests on."""


def facts_of_fitness(fitness: Fitness) -> dict[str, Any]:
    """What ``ModelsLoaded`` says of the VLM and the data."""
    return {
        "vlm": fitness.name,
        "vlm_revision": fitness.revision,
        "vlm_weights": fitness.weights,
        "dataset_name": fitness.dataset_name,
        "dataset_description": fitness.dataset_description,
        "dataset_fingerprint": fitness.dataset_fingerprint,
        "class_names": fitness.class_names,
        "class_sizes": fitness.class_sizes("train"),
        "train_size": fitness.size("train"),
        "test_size": fitness.size("test"),
        "train_fingerprint": fitness.fingerprint("train"),
        "test_fingerprint": fitness.fingerprint("test"),
    }


def facts_of_llm(llm: LanguageModel) -> dict[str, Any]:
    """What ``ModelsLoaded`` says of the LLM."""
    return {
        "llm": llm.name,
        "llm_revision": llm.revision,
        "llm_layers": llm.layers,
        "llm_thinks_first": llm.thinks_first,
    }


def check_fitness(expected: Expected, fitness: Fitness) -> None:
    """See that the run's scores go on with the same images, classes and VLM.

    Raises:
        ContractError: saying what differs, and what can be done.
    """
    before, now, run = expected.models, facts_of_fitness(fitness), expected.run
    data, model = _data_differences(before, now), vlm_differences(before, now)
    if not (data or model):
        return
    where = ["data.path=FOLDER"] if data else []
    keys = ("vlm.model", "vlm.pretrained", "vlm.embedder", "vlm.judge_model") if model else ()
    where += [f"{key}=..." for key in keys]
    differ, evaluated = "; ".join([*data, *model]), expected.command == "eval"
    else_ = (
        f"measure its templates (`glov eval --templates {run} --config CONFIG`)"
        if evaluated
        else f"start a new run (`glov run` with the config.toml of {run})"
    )
    raise ContractError(
        f"the run can't {'be evaluated' if evaluated else 'go on'} with what is there now: "
        f"{differ}. New scores would not be comparable with those it has. Put back what was there, "
        f"or say where that is now (`glov {expected.command} {run} --set {' or '.join(where)}`); "
        f"with what is there now {else_}"
    )


def check_llm(expected: Expected, llm: LanguageModel) -> None:
    """See that the run's replies go on with the same LLM.

    Raises:
        ContractError: saying what differs, and what can be done.
    """
    before, now, run = expected.models, facts_of_llm(llm), expected.run
    if not before.llm_revision:  # nothing is known of it, or a fork is to have another one
        return
    layers = before.llm_layers, now["llm_layers"]
    same = _is_same(before.llm_revision, now["llm_revision"])
    if same is None:
        same = before.llm == now["llm"]
    if same and layers[0] == layers[1]:
        return
    depth = (
        f", with {counted(layers[1], 'layer')} in place of {layers[0]}"
        if layers[0] != layers[1]
        else ""
    )
    raise ContractError(
        "the run can't go on with the LLM that is there now: it is "
        f"{_model(now['llm'], now['llm_revision'])}{depth}, and was "
        f"{_model(before.llm, before.llm_revision)}. Put back what was there, or say where that is "
        f"now (`glov resume {run} --set llm.model=...` or `--set llm.revision=COMMIT`); to go on "
        "with the one that is there now make a fork "
        f"(`glov fork {run} --at-step {expected.step} --set llm.model={now['llm']}`)"
    )


def going_on(
    before: ev.ModelsLoaded, now: ev.ModelsLoaded
) -> tuple[ev.ModelsLoaded, tuple[str, ...]]:
    """What a run goes on with that passed the checks, and what a person should know of it.

    The LLM is told the data set's name and description as before, wherever the data are now.
    """
    named = {name: getattr(before, name) for name in ("dataset_name", "dataset_description")}
    remarks = [
        f"the {name.replace('dataset_', 'data set has another ')} now; this run goes on with "
        f"{value!r}, which the LLM was told so far"
        for name, value in named.items()
        if getattr(now, name) != value
    ]
    precisions = [models.vlm_weights.split(" ")[0] for models in (before, now)]
    changed = [
        f"{name} {old or 'unknown'} -> {new or 'unknown'}"
        for name, old, new in (
            ("precision of the VLM", *precisions),
            *((n, before.versions.get(n), now.versions.get(n)) for n in sorted(now.versions)),
        )
        if old and old != new
    ]
    if changed:
        remarks.append(
            f"not as this run was loaded before: {', '.join(changed)}. Scores and replies may "
            "differ a little from what they would have been"
        )
    return now.model_copy(update=named), tuple(remarks)


def _data_differences(before: ev.ModelsLoaded, now: Mapping[str, Any]) -> list[str]:
    found = []
    if before.class_names != now["class_names"]:
        found.append(_names_differ(before.class_names, now["class_names"]))
    for split, what in (("train", "labelled images"), ("test", "test images")):
        sizes = getattr(before, f"{split}_size"), now[f"{split}_size"]
        prints = getattr(before, f"{split}_fingerprint"), now[f"{split}_fingerprint"]
        if sizes[0] != sizes[1]:
            found.append(f"there are {sizes[1]} {what} in place of {sizes[0]}")
        elif all(prints) and prints[0] != prints[1] and not found:
            found.append(f"the {sizes[1]} {what} are others, or their content is")
    if not found and before.dataset_fingerprint != now["dataset_fingerprint"]:
        found.append(
            "the data set has other files, other splits or other sizes of files (fingerprint "
            f"{now['dataset_fingerprint']} in place of {before.dataset_fingerprint})"
        )
    return found


def _names_differ(before: Sequence[str], now: Sequence[str]) -> str:
    if len(before) == len(now):
        pairs = [
            f"{quoted(a)} is now {quoted(b)}" for a, b in zip(before, now, strict=True) if a != b
        ]
        return f"class names differ: {_some(pairs)}"
    gone = [quoted(name) for name in before if name not in now]
    new = [quoted(name) for name in now if name not in before]
    parts = [f"without {_some(gone)}"] if gone else []
    parts += [f"with {_some(new)}"] if new else []
    classes = counted(len(now), "class", "classes")
    return f"now {classes} in place of {len(before)}, {' and '.join(parts)}"


def _some(texts: Sequence[str]) -> str:
    more = len(texts) - _SHOWN_NAMES
    return ", ".join(texts[:_SHOWN_NAMES]) + (f" and {more} more" if more > 0 else "")


def vlm_differences(before: ev.ModelsLoaded, now: Mapping[str, Any]) -> list[str]:
    """How the VLM that is there ``now`` (its part of ``facts_of_fitness``) is not as before."""
    same = _is_same(before.vlm_weights, now["vlm_weights"])
    if same:  # wherever they came from
        return []
    revisions = before.vlm_revision, now["vlm_revision"]
    if before.vlm_weights.split(" ")[0] != now["vlm_weights"].split(" ")[0]:
        same = _is_same(*revisions)  # the precision differs, which is another hash of the same
    if same is None:
        same = before.vlm == now["vlm"]
    if same:
        return []
    shown = [now["vlm_revision"], before.vlm_revision]
    if not all(shown) or shown[0] == shown[1]:  # the embedder may be another
        shown = [now["vlm_weights"], before.vlm_weights]
    return [f"the VLM is {_model(now['vlm'], shown[0])}, and was {_model(before.vlm, shown[1])}"]


def _is_same(before: str, now: str) -> bool | None:
    """None where they can't be told from each other: one is not known, or of another kind."""
    if not before or not now or before.split(" ")[0] != now.split(" ")[0]:
        return True if before and before == now else None
    return before == now


def _model(name: str, revision: str) -> str:
    return f"{name} ({revision})" if revision else name
