"""What is typed for a key: text as it stands, numbers that are some, paths that hold anywhere."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from engine.analysis.run_list import list_runs
from engine.common.errors import ConfigError, UserError
from engine.common.user_path import user_path
from engine.config import RunConfig
from engine.config.keys import all_keys, is_table, is_text
from engine.config.places import read_places
from engine.config.run_name import runs_folder
from engine.config.toml_file import load_config, parse_value, validate
from engine.session.config_check import check_config
from engine.sweeps.grid import make_grid, parse_axis
from engine.sweeps.sweep import open_sweep


def value(override: str) -> Any:
    found: Any = load_config("demo", [override])
    for name in override.partition("=")[0].split("."):
        found = getattr(found, name)
    return found


def refused(override: str) -> str:
    with pytest.raises(ConfigError) as caught:
        load_config("demo", [override])
    return str(caught.value)


@pytest.mark.parametrize(
    "typed",
    ["2024-05-01", "2024", "1234567", "12e4567", "0x1234", "true", "inf", "[a]", "{a=1}", "it's",
     '"a" and "b"', '"open', "07:32:00", "a\nseed = 5"],
)  # fmt: skip
def test_a_key_that_takes_text_takes_it_as_typed(typed: str) -> None:
    for key in ("llm.revision", "data.name", "proposal.task"):
        assert value(f"{key}={typed}") == typed
    assert parse_axis(f"data.name='{typed}x'" if "'" not in typed else "data.name=x").values


def test_quotes_around_a_text_are_no_part_of_it() -> None:
    assert value('data.name="my photos "') == "my photos "
    assert value("data.name='7'") == "7"
    assert value("name=7") == "7"


def test_memory_for_images_can_be_said_anew() -> None:
    config = RunConfig.model_validate({"data": {"path": "/images"}})
    assert read_places(config, ["vlm.prefix_gib=0.5"]) == {"vlm.prefix_gib": 0.5}


@pytest.mark.parametrize("answer", ["embedding", "choice", "refusal"])
def test_a_dual_encoder_writes_no_answer(answer: str) -> None:
    assert "set vlm.kind = encoder-decoder" in refused(f"vlm.answer={answer}")


def test_all_text_keys_are_known() -> None:
    config = RunConfig.model_validate({"data": {"path": "/images"}}).model_dump()
    for key in all_keys():
        if is_table(key):
            continue
        default: Any = config
        for name in key.split("."):
            default = default[name]
        if default is not None and key not in (
            "steering.layers",
            "steering.alpha",
            "vlm.prefix_gib",
        ):
            assert is_text(key) == isinstance(default, str), key
    assert is_text("llm.revision") and not is_text("steering.alpha") and not is_text("llm")


def test_a_grid_takes_text_for_text_keys_and_ranges_for_numbers() -> None:
    assert parse_axis("llm.revision=1234567,12e4567,0:3").values == ("1234567", "12e4567", "0:3")
    assert parse_axis("seed=0:3,7").values == (0, 1, 2, 7)
    assert parse_value("0.5", "steering.alpha") == 0.5
    assert parse_value("1\nseed = 5", "steps") == "1\nseed = 5"


@pytest.mark.parametrize(
    "override",
    ["steps=true", "steering.alpha=false", "steering.alphas=[0.5, true]", "steering.layers=[true]",
     "sampling.temperature=true", "data.sample_seed=true"],
)  # fmt: skip
def test_true_is_no_number(override: str) -> None:
    assert "should be a number, not true or false" in refused(override)


def test_messages_are_in_words_for_people() -> None:
    wrong = {
        "steps": 1.5, "name": True, "seed": 2**70, "data": {"shots": "x", "test_fraction": 1},
        "steering": {"alpha": 2000, "mode": 3, "alphas": [], "pool": ["a"]},
        "sampling": {"top_p": 0, "top_k": [1]}, "vlm": {"cache": 2, "model": 5}, "llm": "org/name",
        "proposal": {"candidates": 5000, "task": 3, "colour": "red"}, "evaluation": [],
    }  # fmt: skip
    with pytest.raises(ConfigError) as caught:
        validate(wrong, "my.toml")
    text = str(caught.value)
    for pydantic_says in ("nput", "instance", "parse", "valid ", "Config", "constrained", "pydan"):
        assert pydantic_says not in text, text
    for line in (
        "steps = 1.5: should be a whole number",
        "name = true: should be text, in quotes",
        "data.shots = 'x': should be a whole number",
        "data.test_fraction = 1: should be less than 1",
        "steering.alpha = 2000: should be at most 1000, or 'auto'",
        "steering.alphas = []: should not be empty",
        "vlm.cache = 2: should be true or false",
        "llm = 'org/name': llm is a table; give its keys, such as llm.kind",
        "proposal.colour: there is no such key",
    ):
        assert line in text, text


@pytest.mark.parametrize(
    ("override", "hint"),
    [
        ("llm.steps=3", "steps belongs at the top"),
        ("alpha=1", "alpha belongs under [steering] (--set steering.alpha=...)"),
        ("data.temperature=1", "temperature belongs under [sampling]"),
        ("model=x", "model belongs under [vlm] or [llm]"),
        ("data.llm.model=x", "llm is a table of its own: [llm]"),
        ("Steps=3", "did you mean steps?"),
        ("image-batch=3", "did you mean vlm.image_batch?"),
        ("llm.modle=x", "did you mean llm.model?"),
    ],
)
def test_a_key_in_the_wrong_table_is_told_where_it_belongs(override: str, hint: str) -> None:
    assert hint in refused(override)


def test_a_quoted_key_with_a_dot_is_told_so(tmp_path: Path) -> None:
    (tmp_path / "my.toml").write_text('"llm.model" = "x"\n')
    with pytest.raises(ConfigError, match="write llm.model, unquoted"):
        load_config(tmp_path / "my.toml", ["data.path=/images"])


@pytest.mark.parametrize("key", ["data.path", "llm.model", "vlm.pretrained", "llm.revision"])
def test_what_must_be_given_can_not_be_empty(key: str) -> None:
    for empty in ("", "  ", '""'):
        assert f"{key} = " in refused(f"{key}={empty}")


@pytest.mark.parametrize(
    "name",
    ["../x", "..", ".", "/etc/x", "a/b", "a\\b", ".hidden", "-x", "~x", "latest", "a\tb", "a\x1b[m",
     "\u202ea", " a", "猫" * 70],
)  # fmt: skip
def test_a_name_stays_within_the_runs_folder(name: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_config("demo", values={"name": name})
    assert str(caught.value).startswith("name = ") and str(caught.value).isprintable()


@pytest.mark.parametrize("name", ["7", "x y", "größe", "a.b", "猫" * 60])
def test_other_names_are_fine(name: str) -> None:
    assert load_config("demo", values={"name": name}).name == name


def test_a_tilde_is_the_home_folder_everywhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home, elsewhere = tmp_path / "home", tmp_path / "elsewhere"
    for folder in (home, elsewhere):
        folder.mkdir()
    monkeypatch.chdir(elsewhere)
    monkeypatch.setenv("HOME", str(home))
    for key in ("data.path", "llm.model", "vlm.model", "vlm.pretrained", "proposal.template_file"):
        assert value(f"{key}=~/x") == str(home / "x")
    (home / "my.toml").write_text('name = "mine"\n[data]\npath = "~/x"\n')
    config = load_config("~/my.toml")
    assert config.name == "mine" and config.data.path == str(home / "x")
    monkeypatch.setenv("GLOV_RUNS_DIR", "~/runs")
    assert runs_folder() == home / "runs"
    assert value("llm.model=./~/x") == str(elsewhere / "~" / "x")
    monkeypatch.setenv("GLOV_RUNS_DIR", "~no_such_person/runs")
    with pytest.raises(UserError, match="GLOV_RUNS_DIR=~no_such_person/runs: there is no home"):
        runs_folder()
    assert "no home folder ~no_such_person" in refused("data.path=~no_such_person/x")


def test_caches_are_in_the_home_folder_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from engine.common.cache_folder import cache_folder

    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("GLOV_CACHE_DIR", "~/kept")
    assert cache_folder() == tmp_path / "kept"
    monkeypatch.delenv("GLOV_CACHE_DIR")
    monkeypatch.setenv("XDG_CACHE_HOME", "~/cache")
    assert cache_folder() == tmp_path / "cache" / "glov"


def test_a_model_folder_is_found_again_from_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Libraries take a name for a folder that is there; a resume may begin where it is not."""
    monkeypatch.chdir(tmp_path)
    for folder, file in (
        ("org/llm", "config.json"),
        ("clip", "open_clip_config.json"),
        ("org/llava", "config.json"),
    ):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / file).touch()
    (tmp_path / "weights.pt").touch()
    assert value("llm.model=org/llm") == str(tmp_path / "org/llm")
    assert value("vlm.model=clip") == str(tmp_path / "clip")
    assert value("vlm.model=org/llava") == str(tmp_path / "org/llava")  # whatever its family
    assert value("vlm.pretrained=weights.pt") == str(tmp_path / "weights.pt")
    assert value("llm.model=org/other") == "org/other"
    assert value("vlm.pretrained=openai") == "openai"


def test_what_is_no_path_is_refused(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to("loop")
    for wrong in ("a\0b", str(tmp_path / "loop" / "x")):
        with pytest.raises(ConfigError, match=r"data\.path = "):
            load_config("demo", values={"data.path": wrong})


def test_a_wrong_value_is_blamed_on_where_it_was_given(tmp_path: Path) -> None:
    assert refused("steps=true").startswith("command line: steps = true: ")
    file = tmp_path / "my.toml"
    file.write_text('steps = true\n[data]\ndataset = "demo-cabinet"\n', encoding="utf-8")
    with pytest.raises(ConfigError, match=r"^.*my\.toml: steps = true"):
        load_config(file, ["seed=1"])


@pytest.mark.parametrize(("text", "what"), [("", "is empty"), ("~/x", "HOME is empty")])
def test_a_variable_that_is_empty_leads_to_no_other_folder(
    monkeypatch: pytest.MonkeyPatch, text: str, what: str
) -> None:
    monkeypatch.setenv("HOME", "")
    with pytest.raises(UserError, match=what):
        user_path(text)


@pytest.mark.parametrize("text", ["a\n<category>", "a \x1b[31m<category>", "<category>\u202e"])
def test_a_seed_template_is_one_line_of_what_can_be_seen(text: str) -> None:
    for key in ("seed_template", "proposal.reply_prefix"):
        assert "should be one line of text" in refused(f"{key}={text}")
        persian = "یک عکس می\u200cخواهم <category>"
        assert value(f"{key}={persian}") == persian


def test_every_whole_number_has_a_largest_value() -> None:
    """10^23 steps would never end, and a batch of as many images would fit nowhere."""
    keys = [key for key in all_keys() if not is_table(key) and not is_text(key)]
    numbers = [key for key in keys if "should be a whole number" in refused(f"{key}=[[1.5]]")]
    assert {"steps", "seed", "data.shots", "data.sample_seed", "vlm.image_batch"} <= set(numbers)
    for key in (*numbers, "steering.layers"):
        for digits in (23, 400, 5000):
            assert f"{key} = " in refused(f"{key}={'9' * digits}")
    assert "steps = 100000000000000000000000: should be at most 1000000" in refused(
        f"steps={10**23}"
    )


@pytest.mark.parametrize(
    ("key", "what"),
    [
        ("data.path", "give the file or folder another name"),
        ("vlm.model", "give the file or folder another name"),
        ("data.name", "type it in UTF-8"),
        ("name", "type it in UTF-8"),
    ],
)
def test_bytes_that_are_no_utf8_are_told_what_to_do(key: str, what: str) -> None:
    assert what in refused(f"{key}=caf\udce9")
    assert r"caf\xe9: there is no such key" in refused("caf\udce9=3")


def test_a_value_nested_without_end_is_a_text() -> None:
    assert parse_value("[" * 5000, "steps") == "[" * 5000


def test_a_key_of_thousands_of_parts_is_no_key() -> None:
    with pytest.raises(ConfigError, match="there is no such key"):
        load_config("demo", [f"a{'.a' * 5000}=1"])


def test_a_range_of_a_grid_has_numbers_that_can_be() -> None:
    with pytest.raises(ConfigError, match="more than 20 digits"):
        parse_axis(f"seed=0:{'9' * 5000}")
    with pytest.raises(ConfigError, match="step of 0"):
        parse_axis("seed=0:5:00")
    with pytest.raises(ConfigError, match="--set seed=3: --grid has values of seed too"):
        make_grid("demo", ["seed=3"], [parse_axis("seed=0:2")])


@pytest.mark.parametrize("key", ["data.path", "llm.model", "vlm.model", "vlm.pretrained"])
def test_a_path_that_can_not_be_looked_for_is_refused_by_key(key: str) -> None:
    config = load_config("demo", [f"{key}=./{'x' * 300}"])
    with pytest.raises(ConfigError, match=f"{key} = .*: it can't be looked for: File name too"):
        check_config(config)


def test_other_names_that_are_too_long_are_said(tmp_path: Path) -> None:
    long = "x" * 300
    with pytest.raises(ConfigError, match="can't be read: File name too long"):
        load_config(f"{long}.toml")
    (tmp_path / "loop.toml").symlink_to("loop.toml")
    with pytest.raises(ConfigError, match="can't be read: "):
        load_config(tmp_path / "loop.toml")
    with pytest.raises(UserError, match="no such folder"):
        list_runs([long])
    with pytest.raises(UserError, match="a sweep can't be written there: File name too long"):
        open_sweep(tmp_path / long, make_grid("demo", [], [parse_axis("seed=0:2")]))
