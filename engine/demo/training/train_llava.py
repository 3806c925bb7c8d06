"""Train the demo's LLaVA: an ordinary LlavaForConditionalGeneration, from nothing, on one core.

1. The vision tower alone (train_vision.py).
2. The language model alone. In place of an image it reads one token that says what is to be seen,
   learnt vectors for families, steps and visible values, with some noise. So it learns how words
   and pictures make a name before it has to see; on the tower's features it never got so far.
   First only questions that name the one factor that matters: until it reads them, all others
   teach it to ignore what is said.
3. A projector that turns the tower's class token into that vector, and patches into the vector of
   the image token: fitted in seconds.
4. Language model and projector together, on the tower's features of new images, whose mistakes
   they learn to allow for.

The language model is scored as `llava_batches.py` says.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple, cast

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn
from transformers import (
    CLIPImageProcessor,
    CLIPVisionModel,
    GenerationConfig,
    LlamaConfig,
    LlavaConfig,
    LlavaForConditionalGeneration,
    LlavaProcessor,
    PreTrainedTokenizerFast,
)

from engine.data.demo_world.shapes import SIDE
from engine.data.demo_world.vocabulary import CLASSES, FAMILIES
from engine.demo.training import train_vision
from engine.demo.training.clip_data import PICTURES, SETTINGS, draw_pool, picture
from engine.demo.training.llava_batches import (
    EASY,
    HIDDEN_VALUES,
    VISIBLE_VALUES,
    Batch,
    Example,
    ExampleMaker,
)
from engine.demo.training.llava_tokenizer import IMAGE, MAX_LENGTH, build_tokenizer
from engine.demo.training.train_clip import MEAN, STD, one_cycle

HIDDEN, LAYERS, HEADS = 96, 3, 3
PATCHES = (SIDE // train_vision.PATCH) ** 2
IMAGE_TOKENS = PATCHES + 1  # and the class token
STEPS, RATE = 2000, 3e-3
FIT_STEPS, FIT_RATE = 600, 3e-3
TUNE_STEPS, TUNE_RATE, TUNE_VARIANTS = 1200, 1.5e-3, 2
BATCH = 64
_POOL = 8  # batches that are drawn together and sorted by length, against padding
NOISE = 0.3  # of the stand-in for an image, beside its own scale of about 1


def build_model(tokenizer: PreTrainedTokenizerFast) -> LlavaForConditionalGeneration:
    """An untrained model of about 1.15 million parameters."""
    text = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=HIDDEN,
        intermediate_size=256,
        num_hidden_layers=LAYERS,
        num_attention_heads=HEADS,
        num_key_value_heads=HEADS,
        max_position_embeddings=MAX_LENGTH,
        tie_word_embeddings=True,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    config = LlavaConfig(
        vision_config=train_vision.vision_config(),
        text_config=text,
        image_token_index=cast(int, tokenizer.convert_tokens_to_ids(IMAGE)),
        image_seq_length=IMAGE_TOKENS,
        projector_hidden_act="gelu",
        vision_feature_select_strategy="full",
        vision_feature_layer=-1,
        tie_word_embeddings=True,
    )
    model = LlavaForConditionalGeneration(config)
    model.set_attn_implementation("eager")  # quicker than sdpa's backward pass at these sizes
    return model


class StandIn(nn.Module):
    """A vector for everything that can be seen, in place of an image; thrown away in the end."""

    starts: Tensor
    families: Tensor
    steps: Tensor

    def __init__(self) -> None:
        super().__init__()
        factors = [FAMILIES[family].factor for family, _ in PICTURES]
        steps = [(factor, step) for factor, (_, step) in zip(factors, PICTURES, strict=True)]
        names, distinct = list(FAMILIES), list(dict.fromkeys(steps))
        self.family = nn.Embedding(len(names), HIDDEN)
        self.step = nn.Embedding(len(distinct), HIDDEN)  # families of a factor share it
        self.register_buffer("families", torch.tensor([names.index(f) for f, _ in PICTURES]))
        self.register_buffer("steps", torch.tensor([distinct.index(key) for key in steps]))
        self.visible = nn.Embedding(len(VISIBLE_VALUES), HIDDEN)
        nn.init.normal_(self.visible.weight, std=0.3)
        starts = [i for i, (f, _) in enumerate(VISIBLE_VALUES) if f != VISIBLE_VALUES[i - 1][0]]
        self.register_buffer("starts", torch.tensor(starts))

    def forward(self, pictures: Tensor, seen: Tensor) -> Tensor:
        """Vectors (n, HIDDEN) of pictures (n,) with visible values (n, 4)."""
        visible = self.visible(seen + self.starts).sum(1)
        found: Tensor = self.family(self.families[pictures]) + visible
        found = found + self.step(self.steps[pictures])
        return found


def answer_loss(
    model: LlavaForConditionalGeneration, reader: nn.Linear, shown: Tensor, batch: Batch
) -> Tensor:
    """The loss on one batch; `shown` (B, 1 or more, HIDDEN) stands where the image does.

    A single token is placed as the first of an image's. The `reader` tells, at the end of a
    phrase, the value that it names; it is thrown away after training.
    """
    language = model.model.language_model
    embed = language.embed_tokens
    count = len(batch.ids)
    start = torch.full((count, 1), cast(int, language.config.bos_token_id))
    inputs = torch.cat([embed(start), shown, embed(batch.ids)], dim=1)
    before = torch.arange(1 + shown.shape[1])
    behind = 1 + IMAGE_TOKENS + torch.arange(batch.ids.shape[1])
    mask = torch.cat([torch.ones(count, len(before), dtype=torch.bool), batch.mask], dim=1)
    with torch.autocast("cpu", torch.bfloat16):
        hidden = language(
            inputs_embeds=inputs,
            attention_mask=mask.long(),
            position_ids=torch.cat([before, behind])[None].expand(count, -1),
            use_cache=False,
        ).last_hidden_state[:, len(before) :]
        first = model.lm_head(hidden[batch.first]).float()
        ends = hidden[batch.along]
        along = model.lm_head(ends)[:, _class_ids(model)].float()
        read = reader(ends).float()
        chosen = batch.rest != -100
        rest = model.lm_head(hidden[chosen]).float()
    loss = F.kl_div(first.log_softmax(-1), batch.target, reduction="batchmean")
    loss = loss + 0.3 * F.cross_entropy(rest, batch.rest[chosen])
    if len(along):
        beliefs = F.kl_div(along.log_softmax(-1), batch.beliefs, reduction="batchmean")
        loss = loss + 0.5 * beliefs + 0.3 * F.cross_entropy(read, batch.values)
    return loss


def _class_ids(model: LlavaForConditionalGeneration) -> Tensor:
    return cast(Tensor, model.class_ids)


def _update(
    loss: Tensor,
    parameters: list[nn.Parameter],
    optimizer: torch.optim.Optimizer,
    schedule: torch.optim.lr_scheduler.LRScheduler,
) -> None:
    optimizer.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]
    nn.utils.clip_grad_norm_(parameters, 1.0)
    optimizer.step()
    schedule.step()


def _batches(
    maker: ExampleMaker,
    draw: Callable[[float], Example],
    rng: random.Random,
    steps: int,
    easy: bool,
) -> Iterator[Batch]:
    """Easy ones are half as large: it is steps that they need."""
    ready: list[Batch] = []
    for step in range(steps):
        if not ready:
            size = BATCH // 2 if easy and step < EASY * steps else BATCH
            examples = [draw(step / steps) for _ in range(size * _POOL)]
            examples.sort(key=lambda e: len(e.ids))
            ready = [maker.batch(examples[i : i + size]) for i in range(0, len(examples), size)]
            rng.shuffle(ready)
        yield ready.pop()


class _Log:
    """Prints the mean loss every hundred steps."""

    def __init__(self, name: str, steps: int) -> None:
        self._name, self._steps = name, steps
        self._started, self._sum = time.monotonic(), 0.0

    def __call__(self, step: int, loss: float) -> None:
        self._sum += loss
        if (step + 1) % 100 == 0:
            seconds = time.monotonic() - self._started
            print(
                f"{self._name} {step + 1}/{self._steps}: loss {self._sum / 100:.3f}, "
                f"{seconds:.0f} s",
                flush=True,
            )
            self._sum = 0.0


def learn_words(
    model: LlavaForConditionalGeneration,
    reader: nn.Linear,
    stand_in: StandIn,
    maker: ExampleMaker,
    rng: random.Random,
    steps: int,
) -> None:
    """Stage 2: the language model learns from stand-ins for images."""

    def draw(done: float) -> Example:
        setting, name = rng.choice(SETTINGS), rng.choice(CLASSES)
        visible = [rng.randrange(n) for n in counts]
        return maker.example(name, picture(name, setting), setting, visible, done)

    counts = [sum(f == factor for f, _ in VISIBLE_VALUES) for factor in _visible_factors()]
    parameters = [*model.model.language_model.parameters(), *stand_in.parameters()]
    parameters += reader.parameters()
    optimizer, schedule = one_cycle(parameters, RATE, steps)
    log = _Log("words", steps)
    blank = model.model.language_model.embed_tokens.weight[model.config.image_token_id]
    for step, batch in enumerate(_batches(maker, draw, rng, steps, True)):
        shown = stand_in(batch.pictures, batch.seen)[:, None]
        if step > EASY * steps and step % 4 == 0:  # patches that say nothing
            shown = torch.cat([shown, blank.expand(len(shown), PATCHES, -1)], dim=1)
        shown = shown + NOISE * torch.randn_like(shown)
        loss = answer_loss(model, reader, shown, batch)
        _update(loss, parameters, optimizer, schedule)
        log(step, loss.item())


def _visible_factors() -> list[str]:
    return list(dict.fromkeys(f for f, _ in VISIBLE_VALUES))


class Seen(NamedTuple):
    """Images as the tower sees them, one row an image."""

    features: Tensor  # (n, IMAGE_TOKENS, width) half precision
    pictures: Tensor  # (n,)
    visible: Tensor  # (n, 4)
    settings: NDArray[np.int64]  # (n,) in SETTINGS
    classes: NDArray[np.int64]  # (n,) in CLASSES


def look(tower: CLIPVisionModel, seed: int, quick: bool) -> Seen:
    """New images, which vary as a data set's do, so that what is hard to see is known to be."""
    variants = 1 if quick else TUNE_VARIANTS
    settings = train_vision.QUICK_SETTINGS if quick else len(SETTINGS)
    pool = draw_pool(seed, variants, 1.0, settings)
    s, c, v = (grid.ravel() for grid in np.indices(pool.visible.shape[:3]))
    return Seen(
        train_vision.features(tower, pool.pixels[s, c, v]).half(),
        torch.from_numpy(pool.seen[s, c]),
        torch.from_numpy(pool.visible[s, c, v]),
        s,
        c,
    )


def fit_projector(
    model: LlavaForConditionalGeneration, stand_in: StandIn, seen: Seen, steps: int
) -> None:
    """Stage 3: the class token becomes the stand-in, patches become the image token's vector."""
    projector = model.model.multi_modal_projector
    parameters = list(projector.parameters())
    optimizer, schedule = one_cycle(parameters, FIT_RATE, steps)
    log = _Log("projector", steps)
    with torch.no_grad():
        wanted = stand_in(seen.pictures, seen.visible)
        blank = model.model.language_model.embed_tokens.weight[model.config.image_token_id]
    for step in range(steps):
        rows = torch.randint(len(wanted), (512,))
        patches = torch.randint(1, IMAGE_TOKENS, (512,))
        loss = F.mse_loss(projector(seen.features[rows, 0].float()), wanted[rows])
        loss = loss + 0.3 * F.mse_loss(
            projector(seen.features[rows, patches].float()), blank.expand(512, -1)
        )
        _update(loss, parameters, optimizer, schedule)
        log(step, loss.item())


def learn_to_see(
    model: LlavaForConditionalGeneration,
    reader: nn.Linear,
    seen: Seen,
    maker: ExampleMaker,
    rng: random.Random,
    steps: int,
) -> None:
    """Stage 4: language model and projector learn from what the tower sees."""

    def draw(done: float) -> Example:
        row = rng.randrange(len(seen.pictures))
        setting, name = SETTINGS[seen.settings[row]], CLASSES[seen.classes[row]]
        visible = seen.visible[row].tolist()
        return maker.example(name, picture(name, setting), setting, visible, 1.0, row)

    projector = model.model.multi_modal_projector
    parameters = [*model.model.language_model.parameters(), *projector.parameters()]
    parameters += reader.parameters()
    optimizer, schedule = one_cycle(parameters, TUNE_RATE, steps)
    log = _Log("seeing", steps)
    for step, batch in enumerate(_batches(maker, draw, rng, steps, False)):
        loss = answer_loss(model, reader, projector(seen.features[batch.images].float()), batch)
        _update(loss, parameters, optimizer, schedule)
        log(step, loss.item())


def save(
    model: LlavaForConditionalGeneration, tokenizer: PreTrainedTokenizerFast, output: Path
) -> None:
    """Write model and processor in half precision, as a hub model's folder."""
    output.mkdir(parents=True, exist_ok=True)
    model.generation_config = GenerationConfig(  # type: ignore[no-untyped-call]
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        do_sample=False,
        max_new_tokens=50,
    )
    side = {"height": SIDE, "width": SIDE}
    processor = LlavaProcessor(  # type: ignore[no-untyped-call]
        image_processor=CLIPImageProcessor(
            size=side, crop_size=side, do_center_crop=False, image_mean=MEAN, image_std=STD
        ),
        tokenizer=tokenizer,
        patch_size=train_vision.PATCH,
        vision_feature_select_strategy="full",
        num_additional_image_tokens=1,
        image_token=IMAGE,
        chat_template=tokenizer.chat_template,
    )
    model.half().save_pretrained(output)  # type: ignore[no-untyped-call]
    processor.save_pretrained(output)
    for file in output.iterdir():
        file.chmod(0o644)  # transformers writes weights for the owner alone


def main(output: Path, kept: Path, *, seed: int = 0, quick: bool = False) -> None:
    """Train and write the model to the folder `output`; `quick` trains next to nothing.

    What a stage made is left in the folder `kept`, and a stage whose file is there is not done
    again.
    """
    torch.set_num_threads(1)
    kept.mkdir(parents=True, exist_ok=True)
    if not (kept / "tower.pt").exists():
        train_vision.main(kept / "tower.pt", seed=seed, quick=quick)
    tower, _ = train_vision.load_tower(kept / "tower.pt")
    torch.manual_seed(seed)
    rng = random.Random(seed)
    tokenizer = build_tokenizer(random.Random(seed))
    model, stand_in = build_model(tokenizer), StandIn()
    reader = nn.Linear(HIDDEN, len(HIDDEN_VALUES))
    maker = ExampleMaker(tokenizer, rng)
    model.register_buffer("class_ids", torch.tensor(maker.class_ids), persistent=False)
    if not (kept / "words.pt").exists():
        learn_words(model, reader, stand_in, maker, rng, 8 if quick else STEPS)
        modules = {"model": model, "stand_in": stand_in, "reader": reader}
        state = {name: module.state_dict() for name, module in modules.items()}
        torch.save(state, kept / "words.pt")
    state = torch.load(kept / "words.pt", weights_only=True)
    model.load_state_dict(state["model"])
    stand_in.load_state_dict(state["stand_in"])
    reader.load_state_dict(state["reader"])
    model.model.vision_tower.load_state_dict(tower.state_dict())
    seen = look(tower, seed + 1, quick)
    fit_projector(model, stand_in, seen, 8 if quick else FIT_STEPS)
    learn_to_see(model, reader, seen, maker, rng, 8 if quick else TUNE_STEPS)
    save(model, tokenizer, output)
