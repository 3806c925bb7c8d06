"""Text files as editors on any system leave them."""

from __future__ import annotations

import codecs
from pathlib import Path

import pytest

from engine.common.errors import ConfigError, DataError
from engine.common.text_file import LONGEST, read_text
from engine.config.toml_file import load_config
from engine.data.readers.image_folder import read_image_folder
from engine.search.meta_prompt import BUILT_IN, load_meta_prompt
from engine.vlm.dual_encoder.task import TASK

TOML = 'name = "größe"\r\n[data]\r\ndataset = "demo-cabinet"\r\n'
ENCODED = {
    "utf-8": TOML.encode(),
    "utf-8 with a mark": codecs.BOM_UTF8 + TOML.encode(),
    "utf-16": TOML.encode("utf-16"),
    "utf-16, big-endian": codecs.BOM_UTF16_BE + TOML.encode("utf-16-be"),
    "utf-32": TOML.encode("utf-32"),
}
LATIN = b'name = "x"\n# gr\xf6\xdfe\n'


@pytest.mark.parametrize("data", ENCODED.values(), ids=ENCODED)
def test_a_configuration_is_read_in_any_unicode_encoding(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "my.toml").write_bytes(data)
    assert load_config(tmp_path / "my.toml").name == "größe"


def test_other_files_of_people_are_read_so_too(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        for number in range(2):
            (tmp_path / name / f"{number}.png").touch()
    (tmp_path / "dataset.toml").write_bytes('name = "Vögel"'.encode("utf-16"))
    assert read_image_folder(tmp_path).name == "Vögel"
    template = tmp_path / "prompt.txt"
    template.write_bytes(codecs.BOM_UTF8 + BUILT_IN.read_bytes())
    assert load_meta_prompt(str(template), TASK).source == BUILT_IN.read_text()
    (tmp_path / "dataset.toml").write_bytes(LATIN)
    with pytest.raises(DataError, match="line 2 has the byte 0xF6"):
        read_image_folder(tmp_path)
    template.write_bytes(LATIN)
    with pytest.raises(ConfigError, match=r"proposal\.template_file: .*line 2"):
        load_meta_prompt(str(template), TASK)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (LATIN, "line 2 has the byte 0xF6, which is no UTF-8. It may be Latin-1"),
        (TOML.encode("utf-16-le"), "no UTF-8|zero bytes"),
        ("abc".encode("utf-16-le"), "zero bytes"),
        (TOML.encode("utf-16")[:-1], "begins as UTF-16 does and is none"),
        (b"#" * (LONGEST + 1), "longer than 1,024 KiB"),
    ],
)
def test_what_is_no_text_is_said_with_its_line(tmp_path: Path, data: bytes, said: str) -> None:
    (tmp_path / "x").write_bytes(data)
    with pytest.raises(ConfigError, match=said):
        read_text(tmp_path / "x", ConfigError)


def test_a_folder_is_no_text_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="can't be read: Is a directory"):
        load_config(tmp_path)
