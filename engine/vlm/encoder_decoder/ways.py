"""From ``vlm.answer`` to the predictor that it names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import transformers

from engine.common.cache_folder import answers_folder
from engine.common.kept import Kept
from engine.config import VLMConfig
from engine.data.images import READER_VERSION
from engine.data.readers.question_rows import QuestionRow
from engine.models.device import find_device
from engine.vlm.encoder_decoder.answer_cache import AnswerCache
from engine.vlm.encoder_decoder.by_choice import ByChoice
from engine.vlm.encoder_decoder.by_embedding import ByEmbedding
from engine.vlm.encoder_decoder.by_likelihood import ByLikelihood
from engine.vlm.encoder_decoder.by_parsed_letter import ByParsedLetter, digests_with_options
from engine.vlm.encoder_decoder.by_refusal import ByRefusal
from engine.vlm.encoder_decoder.embedder import Embedder, load_embedder
from engine.vlm.encoder_decoder.greedy import greedy_as_configured
from engine.vlm.encoder_decoder.model import LoadedModel
from engine.vlm.encoder_decoder.prediction import Predictor
from engine.vlm.encoder_decoder.questions import Questions
from engine.vlm.loading import OnProgress, Report

Options = Mapping[str, tuple[int, ...]]
"""Of each image by its path: four classes in the order of the letters."""


def find_embedder(config: VLMConfig, progress: OnProgress, kept: Kept) -> Embedder | None:
    """The embedder, where answers are compared with class names by one.

    Raises:
        ModelError: as ``load_embedder``.
    """
    if config.answer != "embedding":
        return None
    progress("embedder", 0, 0)
    section = (config.embedder, config.device)
    return kept.get(
        "embedder",
        section,
        lambda: load_embedder(config.embedder, find_device(config.device, "vlm.device")),
    )


def make_predictor(
    config: VLMConfig,
    loaded: LoadedModel,
    questions: Questions,
    class_names: Sequence[str],
    *,
    options: Options,
    embedder: Embedder | None,
    digests: Mapping[str, int],
    report: Report,
    rows: Mapping[str, QuestionRow] | None = None,
) -> Predictor:
    """The way to a prediction.

    Args:
        config: says which.
        loaded: the VLM.
        questions: makes its inputs.
        class_names: of the data set.
        options: for ``choice``.
        embedder: for ``embedding``.
        digests: hashes of the images' content, by path.
        report: gets sentences on what was worked around.
        rows: for ``refusal``.

    Raises:
        ModelError: if the class names, or the letters, can't be told apart.
    """
    match config.answer:
        case "likelihood":
            return ByLikelihood(loaded.model, questions, class_names, config.likelihood)
        case "choice" if config.letters == "likelihood":
            return ByChoice(loaded.model, questions, class_names, options)
    how = greedy_as_configured(loaded.model, questions, config.max_new_tokens, report)
    # Whatever an answer depends on beside the image and the question.
    read = (questions.rests_on, how.rests_on, how.most)
    key = (loaded.revision, loaded.weights, *read, READER_VERSION, transformers.__version__)
    folder = answers_folder() if config.cache else None
    if config.answer == "choice":
        digests = digests_with_options(digests, class_names, options)
    answers = AnswerCache(repr(key), digests, folder, report)
    if config.answer == "choice":
        return ByParsedLetter(loaded.model, questions, class_names, options, answers, how)
    if config.answer == "refusal":
        return ByRefusal(loaded.model, questions, rows or {}, answers, how)
    assert embedder is not None
    return ByEmbedding(loaded.model, questions, class_names, embedder, answers, how, report)
