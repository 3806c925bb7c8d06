"""Images' prefixes out of every kind of memory are those of plain readings, one by one."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from engine.common.errors import ModelError
from engine.config import VLMConfig
from engine.data.images import read_image
from engine.data.sources import FolderSource
from engine.vlm.encoder_decoder.image_prefixes import ImagePrefixes
from engine.vlm.encoder_decoder.model import LoadedModel, load_model
from engine.vlm.encoder_decoder.prefix_memory import PrefixMemory, bytes_per_token
from engine.vlm.encoder_decoder.questions import Questions
from engine.vlm.encoder_decoder.reading import ImagePrefix, read_prefix
from engine.vlm.encoder_decoder.seen_on_disk import SeenOnDisk
from engine.vlm.encoder_decoder.vision_features import VisionTower
from tests.support.image_prefixes import distance
from tests.support.tiny_llava import save_tiny_llava

COUNT = 8
ONE = 2 * 2 * 5 * 2 * 8 * 4  # bytes of a prefix: layers, keys and values, tokens, heads, d, float32


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> LoadedModel:
    folder = save_tiny_llava(tmp_path_factory.mktemp("vlm") / "llava")
    return load_model(VLMConfig(kind="encoder-decoder", model=str(folder)))


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> FolderSource:
    """Images of three sizes, all different."""
    folder = tmp_path_factory.mktemp("images")
    for number in range(COUNT):
        size = (20 + 4 * (number % 3), 30, 3)
        pixels = np.random.RandomState(number).randint(0, 255, size, dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{number}.png")
    return FolderSource(folder)


@pytest.fixture(scope="module")
def plain(loaded: LoadedModel, pictures: FolderSource) -> dict[str, ImagePrefix]:
    questions = Questions(loaded.processor, loaded.model)
    images = {f"{n}.png": read_image(pictures.file(f"{n}.png")) for n in range(COUNT)}
    return {n: read_prefix(loaded.model, questions.prefix(i)) for n, i in images.items()}


def made(loaded: LoadedModel, pictures: FolderSource, **options) -> ImagePrefixes:
    questions = Questions(loaded.processor, loaded.model)
    sizes = {f"{n}.png": read_image(pictures.file(f"{n}.png")).size for n in range(COUNT)}
    return ImagePrefixes(
        loaded.model, questions, pictures, **{"batch": 3, "sizes": sizes, **options}
    )


def checked(prefixes: ImagePrefixes, plain: dict[str, ImagePrefix], names: list[str]) -> list:
    """The rows of each group, when every image's prefix is that of its plain reading."""
    groups = list(prefixes.groups(dict(enumerate(names))))
    rows = [group.rows for group in groups]
    assert sorted(row for group in rows for row in group) == list(range(len(names)))
    for group in groups:
        for row, prefix in zip(group.rows, group.prefixes, strict=True):
            assert distance(prefix, plain[names[row]]) < 1e-4
    return rows


@pytest.mark.parametrize(
    ("memory", "seen", "read"),
    [
        (PrefixMemory(), COUNT, COUNT),  # everything is kept
        (PrefixMemory(device=ONE * 3, host=0), 3 * COUNT - 6, 3 * COUNT - 6),
        (PrefixMemory(device=0, host=2**20), COUNT, 3 * COUNT),  # rebuilt from features
        (PrefixMemory(device=0, host=0), 3 * COUNT, 3 * COUNT),  # nothing is kept
    ],
)
def test_prefixes_are_those_of_plain_readings_wherever_they_come_from(
    loaded, pictures, plain, memory, seen, read, monkeypatch
) -> None:
    prefixes = made(loaded, pictures, memory=memory)
    counts = {"seen": 0, "read": 0}
    see, from_seen = prefixes._tower.see, prefixes._from_seen

    def counted_see(images):
        counts["seen"] += len(images)
        return see(images)

    def counted_read(images):
        counts["read"] += len(images)
        return from_seen(images)

    monkeypatch.setattr(prefixes._tower, "see", counted_see)
    monkeypatch.setattr(prefixes, "_from_seen", counted_read)
    names = list(plain)
    first = checked(prefixes, plain, names)
    assert checked(prefixes, plain, names) == first == checked(prefixes, plain, names)
    assert counts == {"seen": seen, "read": read}


def test_images_of_a_size_are_read_after_each_other_and_together(loaded, pictures, plain) -> None:
    sizes = [[r % 3 for r in rows] for rows in checked(made(loaded, pictures), plain, list(plain))]
    assert sizes == [[0, 0, 0], [1, 1, 1], [2, 2]]


def test_some_images_in_another_order_are_not_mixed_up(loaded, pictures, plain) -> None:
    prefixes = made(loaded, pictures, memory=PrefixMemory(device=ONE * 2, host=10**4))
    for names in (["5.png", "2.png"], ["7.png", "0.png", "5.png", "1.png"], list(plain)[::-1]):
        checked(prefixes, plain, names)
        checked(prefixes, plain, names)


def test_groups_are_as_large_as_memory_allows(loaded, pictures, plain) -> None:
    memory = PrefixMemory(group_bytes=2 * ONE)
    groups = checked(made(loaded, pictures, memory=memory), plain, list(plain))
    assert max(map(len, groups)) == 2
    assert max(map(len, checked(made(loaded, pictures, batch=1), plain, list(plain)))) == 1


def test_what_a_prefix_takes_is_known_before(loaded, plain) -> None:
    prefix = plain["0.png"]
    assert prefix.bytes == ONE
    assert bytes_per_token(loaded.model.config, torch.float32) * prefix.length == ONE


def test_batches_that_a_model_reads_wrongly_are_not_read(
    loaded, pictures, plain, monkeypatch
) -> None:
    """As of a model that takes the first image's features for all."""
    from engine.vlm.encoder_decoder import image_prefixes

    hand = image_prefixes.handed_back
    monkeypatch.setattr(image_prefixes, "handed_back", lambda seen: hand([seen[0]] * len(seen)))
    assert len(checked(made(loaded, pictures), plain, list(plain))) == 3


def test_where_memory_runs_out_fewer_are_read_at_once(loaded, pictures, plain, monkeypatch) -> None:
    from engine.vlm.encoder_decoder import image_prefixes

    read = image_prefixes.read_prefixes

    def limited(model, inputs, seen):
        if len(inputs["input_ids"]) > 1:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return read(model, inputs, seen)

    monkeypatch.setattr(image_prefixes, "read_prefixes", limited)
    told: list[str] = []
    prefixes = made(loaded, pictures, report=told.append)
    assert max(map(len, checked(prefixes, plain, list(plain)))) == 1
    assert told == ["out of memory on cpu: the VLM reads 1 image at once from now on"]
    monkeypatch.setattr(
        image_prefixes, "read_prefixes", lambda *_: (_ for _ in ()).throw(MemoryError())
    )
    with pytest.raises(ModelError, match="more memory than cpu has for a single image"):
        list(made(loaded, pictures).groups({0: "0.png"}))


def test_an_image_that_is_gone_is_named(loaded, pictures) -> None:
    with pytest.raises(ModelError, match="nowhere.png: the image could be read, and now can't"):
        list(made(loaded, pictures).groups({0: "nowhere.png"}))


def test_what_memory_has_no_room_for_is_seen_once_and_kept_on_disk(
    loaded, pictures, plain, tmp_path, monkeypatch
) -> None:
    digests = {name: number for number, name in enumerate(plain)}
    memory = PrefixMemory(device=0, host=0)
    for _ in range(2):
        disk = SeenOnDisk(tmp_path, "model", digests, 2**20, lambda _: None)
        prefixes = made(loaded, pictures, memory=memory, disk=disk)
        checked(prefixes, plain, list(plain))
        monkeypatch.setattr(VisionTower, "see", None)  # nothing is seen again
        checked(prefixes, plain, list(plain))
