"""Synthetic meta-prompt dialogues: what the tiny LLM learns to propose templates from.

A dialogue shows an imaginary run in the middle of its search, in exactly the words that
`engine.search.meta_prompt` uses, and asks for a template: one of CLIP's, or a question
(`wordings.py`). Behind the run stands a world
(`worlds.py`): a random choice of right values for the factors of `vocabulary.py`, from which every
template of the run has its noisy accuracy. The replies are templates of someone who knows the
world. Nobody can know it from the prompt, so what a model can learn is to *infer* it: keep the
phrases that the good templates share, leave out those of the bad ones, and guess where the run has
not tried yet.

Worlds are drawn anew for every dialogue. Those that agree with a demo task are left out, and the
demo tasks' descriptions occur only above worlds that have nothing to do with them: the answers of
the demo can't be learnt from here.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from engine.data.demo_world.vocabulary import (
    FACTORS,
    HIDDEN_FACTORS,
    TASKS,
    VISIBLE_FACTORS,
    random_task,
)
from engine.demo.training.questions import ASK
from engine.demo.training.wordings import TEMPLATES, Wording
from engine.demo.training.worlds import ADJECTIVES, NOUNS, STRANGE, VALUE_OF, Phrases, World
from engine.prompts.message import Message
from engine.prompts.template import normalise
from engine.run.ranking import Proposal, ScoredTemplate, best_and_worst, find_anchors, ranked
from engine.search.meta_prompt import Example, MetaPrompt, load_meta_prompt
from engine.vlm.task import Task

KEEP_WORDS = 0.75  # chance that a right value is named in words that a good template has
EDITS = 0.8  # share of the replies that edit a shown template rather than begin anew
MAX_PHRASES = 6  # phrases in one template of an imaginary run

SUFFIXES = tuple(name for name, factor in FACTORS.items() if factor.position == "suffix")

_ALL_PHRASES = {
    name: tuple(words for phrases in factor.values.values() for words in phrases)
    for name, factor in FACTORS.items()
}

# Words that tasks and edited system prompts are made of.
TASK_WORDS = (
    "write", "propose", "a", "better", "short", "template", "prompt", "for", "the", "images",
    "classes", "of", "model", "that", "works", "best", "accuracy", "highest", "describe", "how",
    "photos", "were", "taken", "keep", "it", "simple", "use", "few", "words", "please", "and",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Dialogue:
    """A meta-prompt, replies of one who knows the world, and the run's anchors P+ and P-."""

    messages: tuple[Message, ...]
    replies: tuple[str, ...]
    anchors: tuple[str, str] | None  # texts; None before the first improvement


# -- templates -----------------------------------------------------------------------------------


def ideal_phrases(
    world: World, rng: random.Random, shown: Sequence[str], wording: Wording = TEMPLATES
) -> Phrases:
    """The phrases of one who knows the world: right values in well-liked words, little else.

    Words of the ``shown`` templates are mostly kept, as an optimiser who reads them would. Nobody
    could guess a phrase outside the vocabulary: it is used only where it was shown.
    """
    phrases: Phrases = {}
    for name in HIDDEN_FACTORS:
        if name in world.right and rng.random() < 0.95:
            choice = FACTORS[name].values[world.right[name]]
            seen = [words for words in choice if any(words in text for text in shown)]
            keep = seen and rng.random() < KEEP_WORDS
            phrases[name] = _liked(world, seen if keep else choice, rng)
        elif name not in world.right and rng.random() < 0.08:
            phrases[name] = rng.choice(_ALL_PHRASES[name])
    for name in VISIBLE_FACTORS:
        if rng.random() < 0.1:
            phrases[name] = _liked(world, _ALL_PHRASES[name], rng)
    words, effect = world.strange
    if words and effect > 0 and any(words in text for text in shown) and rng.random() < 0.95:
        phrases[STRANGE] = words
    return phrases | wording.good_opening(world, shown, rng)


def _liked(world: World, phrases: Sequence[str], rng: random.Random) -> str:
    best, other = rng.choice(phrases), rng.choice(phrases)
    return best if world.taste[best] >= world.taste[other] else other


def random_phrases(
    rng: random.Random, naming: float = 0.5, wording: Wording = TEMPLATES
) -> Phrases:
    """Phrases of someone who knows nothing; ``naming`` is the chance of a hidden factor."""
    chances = [(name, naming) for name in HIDDEN_FACTORS]
    chances += [(name, 0.25) for name in VISIBLE_FACTORS]
    chosen = [name for name, chance in chances if rng.random() < chance]
    rng.shuffle(chosen)
    phrases = {name: rng.choice(_ALL_PHRASES[name]) for name in chosen[:MAX_PHRASES]}
    return phrases | wording.some_opening(rng)


@dataclass(frozen=True, slots=True)
class Draft:
    """A template with the phrases that it is made of."""

    text: str
    phrases: Mapping[str, str]
    wording: Wording = TEMPLATES

    @property
    def is_full(self) -> bool:
        """Whether it has as many phrases as templates of an imaginary run."""
        return len(self.phrases) - (ASK in self.phrases) >= MAX_PHRASES

    def naming(self, factor: str, words: str) -> Draft:
        """The draft with other words for this suffix factor, added at the end if it had none."""
        if factor in self.phrases:
            text = self.text.replace(self.phrases[factor], words, 1)
        else:
            text = self.wording.add(self.text, words)
        return Draft(text, {**self.phrases, factor: words}, self.wording)

    def asking(self, opening: Phrases, rng: random.Random) -> Draft:
        """The draft with another opening, said anew."""
        if opening.get(ASK) == self.phrases.get(ASK):
            return self
        phrases = {**self.phrases, **opening}
        return Draft(self.wording.render(phrases, rng), phrases, self.wording)

    def without(self, factor: str) -> Draft:
        """The draft without the words of this suffix factor."""
        words = self.phrases[factor]
        text = self.text.removeprefix(f"{words}, ")
        for joint in (", ", " and ", " "):
            text = text.replace(f"{joint}{words}", "", 1) if text == self.text else text
        return Draft(text, {f: w for f, w in self.phrases.items() if f != factor}, self.wording)


def ideal_edit(world: World, draft: Draft, rng: random.Random, shown: Sequence[str]) -> Draft:
    """A shown template with wrong phrases put right, missing ones added, needless ones dropped."""
    wording = draft.wording
    better = ideal_phrases(world, rng, shown, wording)
    old_opening = draft.phrases.get(ASK)
    if old_opening is not None and world.taste[old_opening] < -0.02:
        draft = draft.asking({ASK: better[ASK]}, rng)
    for factor in (*SUFFIXES, STRANGE):
        old, new = draft.phrases.get(factor), better.get(factor)
        if new is not None:
            same = old is not None and factor in world.right and _names_right(world, factor, old)
            if not same:
                draft = draft.naming(factor, new)
        elif old is not None and rng.random() < 0.7:
            draft = draft.without(factor)
    return Draft(wording.finish(draft.text), draft.phrases, wording)


def random_edit(draft: Draft, rng: random.Random) -> Draft:
    """A template with one or two phrases changed, added or dropped at random."""
    for _ in range(rng.choice((1, 1, 2))):
        if ASK in draft.phrases and rng.random() < 0.2:
            draft = draft.asking(draft.wording.some_opening(rng), rng)
            continue
        factor = rng.choice(SUFFIXES)
        if factor in draft.phrases and rng.random() < 0.3:
            draft = draft.without(factor)
        elif factor in draft.phrases or not draft.is_full:
            draft = draft.naming(factor, rng.choice(_ALL_PHRASES[factor]))
    return draft


def _names_right(world: World, factor: str, words: str) -> bool:
    return VALUE_OF[words][1] == world.right[factor]


# -- runs ----------------------------------------------------------------------------------------


def scored(text: str, hits: int, n: int, step: int, margin: float = 0.0) -> ScoredTemplate:
    """A scored template as the optimiser keeps it."""
    first = Proposal(step, 1, 0)
    return ScoredTemplate(normalise(text), text, "llm", first, hits, n, margin, ())


def imagine_run(
    world: World, rng: random.Random, wording: Wording = TEMPLATES
) -> tuple[list[ScoredTemplate], dict[str, Draft]]:
    """The templates of a run that is 0 to 20 steps old, in the order in which they were found.

    The imaginary proposer crosses over the best templates so far, edits them and tries random
    phrases; how well it does varies, so that runs that go well, badly and astray are all shown.
    Returns the scored templates, and by their key what they are made of.
    """
    found: dict[str, tuple[ScoredTemplate, Draft]] = {}

    def score(draft: Draft, step: int) -> None:
        hits, margin = world.hits(draft.phrases, rng), world.expected(draft.phrases)
        entry = scored(draft.text, hits, world.n, step, margin)
        found.setdefault(entry.key, (entry, draft))

    score(Draft(wording.task.seed_template, wording.seed, wording), 0)
    if rng.random() < 0.1:  # a run from another seed template
        found.clear()
        phrases = random_phrases(rng, 0.2, wording)
        score(Draft(wording.render(phrases, rng), phrases, wording), 0)
    inherit = rng.uniform(0.3, 0.9)
    editing = rng.uniform(0.0, 0.9)
    naming = rng.uniform(0.2, 0.8)
    n_steps = rng.choice((0, 1, 1, 2, 2, 3, 3, 4, 5, 6, 7, 8, 10, 12, 14, 17, 20))
    n_candidates = rng.choice((3, 5, 8, 8))
    for step in range(1, n_steps + 1):
        by_score = sorted(found.values(), key=lambda pair: -pair[0].hits)
        parents = [draft for _, draft in by_score[:5]]
        for _ in range(n_candidates):
            if rng.random() < editing:
                score(random_edit(rng.choice(parents), rng), step)
                continue
            phrases = random_phrases(rng, naming, wording)
            names = (*FACTORS, *wording.seed)
            for name in rng.sample(names, len(names)):
                if rng.random() < inherit:
                    phrases.pop(name, None)
                    parent = rng.choice(parents).phrases
                    if name in parent and len(phrases) < MAX_PHRASES + (ASK in parent):
                        phrases[name] = parent[name]
            if world.strange[0] and rng.random() < 0.3:
                phrases[STRANGE] = world.strange[0]
            if wording.seed and ASK not in phrases:  # inherited from no one
                phrases |= wording.some_opening(rng)
            score(Draft(wording.render(phrases, rng), phrases, wording), step)
    return [entry for entry, _ in found.values()], {k: draft for k, (_, draft) in found.items()}


# -- dialogues -----------------------------------------------------------------------------------


def make_dialogue(
    rng: random.Random, replies: int = 1, most_examples: int = 6, wording: Wording = TEMPLATES
) -> Dialogue:
    """One dialogue with this many replies to the same meta-prompt, none of them in the run.

    It shows 1 to ``most_examples`` best templates, mostly five, and as many of the worst.
    """
    world = wording.world(rng)
    run, drafts = imagine_run(world, rng, wording)
    ranking = ranked(run)
    k = min(rng.choice((5, 5, 5, 5, 5, 5, 3, 3, 1, 2, 4, 6)), most_examples)
    best, worst = best_and_worst(ranking, k)
    anchors = find_anchors(ranking)
    shown = [template.text for template in best]
    texts: list[str] = []
    while len(texts) < replies:
        text = wording.render(ideal_phrases(world, rng, shown, wording), rng, finished=True)
        if rng.random() < EDITS:  # of the best template or, less often, of a lower one
            parent = drafts[best[max(rng.randrange(len(best)), rng.randrange(len(best)))].key]
            draft = ideal_edit(world, parent, rng, shown)
            most = MAX_PHRASES + 1 + (ASK in draft.phrases)
            text = draft.text if len(draft.phrases) <= most else text
        if normalise(text) not in drafts:
            texts.append(text)
    return Dialogue(
        _messages(best, worst, run[-1].first.step + 1, rng, wording.task),
        tuple(texts),
        None if anchors is None else (anchors[0].text, anchors[1].text),
    )


def _messages(
    best: Sequence[ScoredTemplate],
    worst: Sequence[ScoredTemplate],
    step: int,
    rng: random.Random,
    task: Task,
) -> tuple[Message, ...]:
    """The meta-prompt, with texts that a person may have edited in some of the dialogues."""
    system_prompt, goal = task.system_prompt, task.goal
    if rng.random() < 0.25:
        system_prompt = _edited(task.system_prompt, rng)
    if rng.random() < 0.25:
        goal = " ".join(rng.choices(TASK_WORDS, k=rng.randint(3, 20))) + "."
    prompt = replace(_built_in(task), system_prompt=system_prompt, task=goal)
    name, description, classes = _dataset(rng)
    return prompt.compose(
        dataset_name=name,
        dataset_description=description,
        class_names=classes,
        best=[Example(t.text, 100 * t.accuracy) for t in best],
        worst=[Example(t.text, 100 * t.accuracy) for t in worst],
        step=step,
    )


@lru_cache(maxsize=2)
def _built_in(task: Task) -> MetaPrompt:
    return load_meta_prompt(None, task)


def _dataset(rng: random.Random) -> tuple[str, str, Sequence[str]]:
    """Name, description and classes, drawn without regard to the world."""
    kind = rng.random()
    if kind < 0.35:  # the demo's texts are read, and mean nothing
        task = rng.choice(tuple(TASKS.values()))
        return task.name, task.description, task.classes
    name = " ".join(rng.sample(ADJECTIVES + NOUNS, rng.choice((1, 1, 2))))
    if kind < 0.7:
        task = random_task(rng)
        return name, task.description, task.classes
    if kind < 0.85:
        return name, "", NOUNS[:2]
    words = rng.choices(ADJECTIVES + NOUNS + TASK_WORDS, k=rng.randint(3, 15))
    return name, f"{' '.join(words).capitalize()}.", NOUNS[:2]


def _edited(text: str, rng: random.Random) -> str:
    """``text`` with sentences and words left out, swapped or replaced."""
    sentences = [s for s in text.split(". ") if rng.random() < 0.7]
    words = " ".join(sentences).split()
    for _ in range(rng.randint(0, 4)):
        if len(words) > 3:
            place = rng.randrange(len(words))
            words[place] = rng.choice(TASK_WORDS + ADJECTIVES)
    return " ".join(words)
