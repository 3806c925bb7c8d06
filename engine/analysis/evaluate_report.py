"""An evaluation as plain data for ``--json``, and in words what its numbers rest on."""

from __future__ import annotations

from collections.abc import Iterator

from typing_extensions import TypedDict

from engine.analysis.against import Pair
from engine.analysis.evaluate import Evaluation, Measurement
from engine.analysis.evaluating import DEFAULT, Evaluated, Source
from engine.analysis.paired import ClassChange
from engine.common.record import Count, Difference, Interval, Positive, Share, SignedInterval
from engine.common.wording import counted
from engine.config import Select
from engine.data.dataset import Split


class MeasuredImages(TypedDict):
    """The images that accuracies rest on; equal fingerprints make numbers comparable."""

    name: str  # of the data set
    fingerprint: str  # of files and splits
    split: Split
    classes: Count
    images: Positive  # of the split, that can be read


class BackboneFacts(TypedDict):
    """A VLM that was measured with."""

    name: str
    weights: str  # precision and hash of what was loaded


class OnBackbone(TypedDict):
    """What a subject is worth with one VLM."""

    backbone: str
    accuracy: Share
    interval: Interval  # Wilson's
    hits: Count
    images: Positive
    probability: Share  # mean of the true class, to about four digits
    unnamed: Count  # of ``images``: the answer names no class, which is wrong
    kept: bool  # read from the run's folder or the cache: nothing was encoded
    note: str  # what of its texts the VLM does not read, or nothing


class SubjectFacts(TypedDict):
    """A template, or several that decide together."""

    name: str  # seed, best, top 3, greedy 3; of a file the line or item
    templates: list[str]  # as often as they count
    selection: Select | None  # how an ensemble of a run was chosen
    measured: list[OnBackbone]  # in the order of ``backbones``


class ClassFacts(TypedDict):
    """A class of which two subjects are right on different numbers of images."""

    name: str
    images: Positive
    first: Count  # that the first is right on
    second: Count
    difference: Difference  # of accuracies


class PairedFacts(TypedDict):
    """Two subjects on the same images with the same VLM."""

    backbone: str
    first: str  # names of subjects
    second: str
    both: Count  # images that both are right on
    only_first: Count
    only_second: Count
    neither: Count
    difference: Difference  # of accuracies, first less second
    interval: SignedInterval  # Newcombe's, of paired shares
    p: Share  # McNemar's exact test, two-sided
    classes: list[ClassFacts]  # that differ; what the first gains most is first


class FailedBackbone(TypedDict):
    """A VLM that nothing could be measured with."""

    backbone: str  # as it was asked for
    error: str


class EvaluationFacts(TypedDict):
    """What templates are worth on a split."""

    run: str | None  # the folder of the run whose VLM and images these are
    templates: str  # the run or file that they are of
    against: str | None  # the run or file that they are compared with
    images: MeasuredImages
    backbones: list[BackboneFacts]  # the first is the configuration's own
    failed: list[FailedBackbone]
    subjects: list[SubjectFacts]
    comparisons: list[PairedFacts]
    notes: list[str]  # what the numbers rest on


def as_dict(found: Evaluated) -> EvaluationFacts:
    """The whole evaluation as plain data."""
    own = found.evaluations[0]
    return {
        "run": str(found.run.folder) if found.run is not None else None,
        "templates": _place(found.source),
        "against": _place(found.against) if found.against is not None else None,
        "images": {
            "name": own.dataset_name,
            "fingerprint": own.dataset_fingerprint,
            "split": own.split,
            "classes": len(own.class_names),
            "images": len(own.images),
        },
        "backbones": [{"name": one.vlm, "weights": one.vlm_weights} for one in found.evaluations],
        "failed": [{"backbone": name, "error": why} for name, why in found.failed.items()],
        "subjects": [_subject(found, row) for row in range(len(own.measurements))],
        "comparisons": [_pair(evaluation, pair) for evaluation, pair in found.pairs],
        "notes": notes(found),
    }


def _place(source: Source) -> str:
    if source.run is not None:
        return str(source.run.folder)
    return str(source.path)


def _subject(found: Evaluated, row: int) -> SubjectFacts:
    subject = found.evaluations[0].measurements[row].subject
    return {
        "name": subject.name,
        "templates": list(subject.templates),
        "selection": subject.selection,
        "measured": [_on(one, one.measurements[row]) for one in found.evaluations],
    }


def _on(evaluation: Evaluation, one: Measurement) -> OnBackbone:
    return {
        "backbone": evaluation.vlm,
        "accuracy": one.accuracy,
        "interval": list(one.interval),
        "hits": one.hits,
        "images": one.n,
        "probability": one.probability,
        "unnamed": one.unnamed,
        "kept": one.was_kept,
        "note": one.note,
    }


def _pair(evaluation: Evaluation, pair: Pair) -> PairedFacts:
    hits = pair.hits
    return {
        "backbone": evaluation.vlm,
        "first": pair.first.subject.name,
        "second": pair.second.subject.name,
        "both": hits.both,
        "only_first": hits.first,
        "only_second": hits.second,
        "neither": hits.neither,
        "difference": hits.difference,
        "interval": list(hits.interval),
        "p": hits.p,
        "classes": [_class(change) for change in pair.changes],
    }


def _class(change: ClassChange) -> ClassFacts:
    return {
        "name": change.name,
        "images": change.images,
        "first": change.first,
        "second": change.second,
        "difference": change.difference,
    }


def notes(found: Evaluated) -> list[str]:
    """Sentences on what the numbers rest on. Their texts are untrusted: clean before showing."""
    return list(dict.fromkeys(_notes(found)))


def _notes(found: Evaluated) -> Iterator[str]:
    own = found.evaluations[0]
    if found.is_default:
        whose = f"the images and with the VLM of the preset {DEFAULT}"
        yield f"measured on {whose}; --config has others"
    for source in (found.source, found.against):
        if source is not None and source.run is not None and source.run.state.status != "finished":
            state = source.run.state
            steps = counted(state.config.steps, "step") if state.config else "its steps"
            yield (
                f"{source.name} has not come to its end ({state.steps_done} of {steps} done): its "
                "best template and ensembles are those so far"
            )
        if source is not None and source.run is not None:
            yield from _found_elsewhere(source, own)
    if own.split == "train" and any(
        one is not None and one.run is not None for one in (found.source, found.against)
    ):
        yield ("templates of a run were chosen on these images: on others they are worse than that")
    if len(found.evaluations) > 1:
        yield (
            f"nothing is chosen anew for other models: ensembles are those that {own.vlm} was "
            "searched with"
            if found.source.run is not None
            else "all models have the same images and the same templates"
        )
    for other in found.evaluations[1:]:
        if other.index.key != own.index.key:
            yield (
                f"{other.vlm} reads {counted(len(other.images), 'image')} and {own.vlm} "
                f"{counted(len(own.images), 'image')}, not the same ones: accuracies are of "
                "different images"
            )
    for evaluation in found.evaluations:
        for one in evaluation.measurements:
            if one.note:
                yield f"{evaluation.vlm}, {one.subject.name}: {one.note}"
    if found.pairs:
        yield (
            "p is McNemar's exact test: of the images that only one of two is right on, as many "
            "are the first's as the second's"
            + (f"; of {len(found.pairs)} tests each is by itself" if len(found.pairs) > 1 else "")
        )


def _found_elsewhere(source: Source, own: Evaluation) -> Iterator[str]:
    """Of templates that a run found on other images, or with another VLM, than these."""
    models = source.run.state.models if source.run is not None else None
    if models is None:
        return
    other = []
    if models.dataset_fingerprint != own.dataset_fingerprint:
        other.append(f"on other images ({models.dataset_name})")
    if models.vlm_weights and models.vlm_weights != own.vlm_weights:
        other.append(f"with another VLM ({models.vlm})")
    if other:
        yield f"{source.name} found its templates {' and '.join(other)} than these are measured"
