"""What is said of a file that is no TOML: its line, its key, and what to write."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.common.errors import ConfigError, DataError, UserError
from engine.common.toml_reading import read_toml
from engine.config.toml_file import load_config
from engine.data.readers.folder_settings import read_settings


def refused(folder: Path, text: str) -> str:
    path = folder / "my.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(UserError) as caught:
        read_toml(path)
    begin = f"{path} can't be read, it is no valid TOML: "
    assert str(caught.value).startswith(begin)
    return str(caught.value).removeprefix(begin)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("steps = 1\n\nsteps = 2\n", "line 3 (steps = 2): steps is there twice, first in line 1"),
        (
            "[steering]\nlayers = [1,\n2]\n[llm]\nmodel = 'x'\n[steering]\nalpha = 1",
            "line 6 ([steering]): [steering] is there twice, first in line 1; put its keys",
        ),
        (
            "alpha = 1\n[steering]\nalpha = 1\nlayers = [\n1]\nlayers = [\n2\n]",
            "line 6 (layers = [): layers is there twice under [steering], first in line 4",
        ),
        # A line of a text is no key.
        ("a = '''\nb = 3\n'''\nb = 1\nb = 2", "line 5 (b = 2): b is there twice, first in line 4"),
        ("llm = 3\n[llm]", "line 2 ([llm]): a key is there twice, perhaps spelled otherwise"),
        ("llm = {model = 'a', model = 'b'}", "a key is there twice"),
        ("llm.model = 'a'\nllm = 3", "line 2 (llm = 3): a key is there twice"),
    ],
)
def test_a_key_or_table_that_is_there_twice(tmp_path: Path, text: str, said: str) -> None:
    assert refused(tmp_path, text).startswith(said) or said in refused(tmp_path, text)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("steps =", "line 1 (steps =): this is no value; text goes in quotes"),
        ("alpha = .5", "a digit before and after its dot"),
        ("cache = True", "true and false are in small letters"),
        ("steps: 5", "write it as key = value"),
        ("seed = 1,000", "there is more after the value"),
        ("path = 'it's'", "there is more after the value"),
        ('path = "C:\\data"', "single quotes ('...')"),
        ('path = "C:\\Users"', "single quotes ('...')"),
        ("x = 1\nlayers = [1, 2\n\nseed = 2", "line 2 (layers = [1, 2): the list is not closed"),
        ('x = 1\ntext = """\nabc\n\n', 'line 2 (text = """): the text is not closed'),
        ("text = 'abc\nx = 1", "line 1 (text = 'abc): the text is not closed; a quote"),
        ("[llm\nmodel = 3", "line 1 ([llm): a ] is missing"),
        ("<<<<<<< HEAD", "a line is key = value, a [table] or a # comment"),
        (f"# 1\nsteps = {'9' * 5000}", "a number in it is too large"),
        (f"a = {'[' * 5000}", "nested too deep"),
        (f"a{'.a' * 5000} = 1", "nested too deep"),
        (f"[a{'.a' * 5000}]", "nested too deep"),
        (f"{'[[a]]' + chr(10) + '[a.b' + '.c' * 5000}]", "nested too deep"),
        ("\n" * 500 + "x", "line 501 (x): "),
    ],
)
def test_other_slips(tmp_path: Path, text: str, said: str) -> None:
    assert said in refused(tmp_path, text)


def test_all_files_of_people_are_told_so(tmp_path: Path) -> None:
    path = tmp_path / "x.toml"
    path.write_text('name = "a"\nname = "b"\n')
    with pytest.raises(ConfigError, match=r"line 2 .*name is there twice, first in line 1"):
        load_config(path)
    with pytest.raises(DataError, match=r"line 2 .*name is there twice, first in line 1"):
        read_settings(path)
