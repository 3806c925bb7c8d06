"""The keys of an LLM on a server: what goes together, and what must not get into a journal."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.common.errors import ConfigError
from engine.config.places import read_places
from engine.config.toml_file import format_config, load_config
from engine.search.begun import as_begun
from engine.search.registry import is_steered
from engine.search.unused import is_unused, unused_remarks
from engine.session.config_check import check_config
from engine.storage.trust import named_things

SERVED = ("llm.kind=openai", "llm.model=org/m")


@pytest.mark.parametrize("preset", ["demo", "clip-paper"])  # the latter names a mode
def test_a_run_begins_with_steering_off_whatever_its_mode_was_and_says_so(preset: str) -> None:
    config = load_config(preset, [*SERVED, "data.path=."])
    assert config.steering.mode == "last-token" and not is_steered(config)
    begun = as_begun(config)
    assert begun.steering.mode == "off" and as_begun(begun) == begun
    (remark,) = (text for text in unused_remarks(begun) if "gives no hidden states" in text)
    assert remark.endswith("not steered (steering.mode = off)")
    local = load_config(preset, ["data.path=."])
    assert as_begun(local).steering.mode == "last-token" and is_steered(local)


def test_a_name_of_a_server_is_no_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "m").mkdir()
    (tmp_path / "m" / "config.json").write_text("{}")
    for name in ("m", "./m", "/nowhere/m"):
        config = load_config("demo", ["llm.kind=openai", f"llm.model={name}"])
        assert config.llm.model == name and check_config(config).llm.model == name
    assert load_config("demo", ["llm.model=m"]).llm.model == str(tmp_path / "m")
    written = tmp_path / "served.toml"
    written.write_text(format_config(config))
    assert load_config(written).llm == config.llm


@pytest.mark.parametrize(
    ("key", "secret", "words"),
    [
        ("base_url", "http://me:hidden@box/v1", "no user name, password"),
        ("base_url", "http://box/v1?api_key=hidden", "no user name, password, query"),
        ("base_url", "box:8000/hidden", "begins with http:// or https://"),
        ("base_url", "http://[hidden/v1", "begins with http:// or https://"),
        ("base_url", "http://hidden:99999/v1", "begins with http:// or https://"),
        ("api_key_env", "sk-hidden", "the name of an environment variable, in capitals"),
        ("api_key_env", "gsk_hidden", "the name of an environment variable, in capitals"),
    ],
)
def test_a_secret_that_stands_where_it_does_not_belong_is_refused_and_not_shown(
    key: str, secret: str, words: str
) -> None:
    with pytest.raises(ConfigError, match=f"llm.{key} should .*{words}") as refused:
        load_config("demo", [*SERVED, f"llm.{key}={secret}"])
    assert "hidden" not in str(refused.value)


def test_prices_go_together_also_where_they_are_given_one_after_the_other() -> None:
    for prices in (["llm.price_in=1"], ["llm.price_out=1"], ["llm.max_cost=1"]):
        with pytest.raises(ConfigError, match="llm.price_in and llm.price_out"):
            check_config(load_config("demo", [*SERVED, *prices]))
    both = ["llm.price_in=1", "llm.price_out=2", "llm.max_cost=3"]
    config = check_config(load_config("demo", [*SERVED, *both]))
    assert read_places(config, both) == {
        "llm.price_in": 1,
        "llm.price_out": 2,
        "llm.max_cost": 3,
    }


def test_keys_of_the_other_kind_make_no_difference_and_are_told() -> None:
    served = load_config("demo", [*SERVED, "llm.revision=main"])
    local = load_config("demo", ["llm.timeout=5"])
    assert any("llm.revision can make no difference" in text for text in unused_remarks(served))
    assert any("llm.timeout can make no difference" in text for text in unused_remarks(local))
    assert not any("llm.device" in text for text in unused_remarks(served))
    assert is_unused(served, "llm.device") and not is_unused(local, "llm.device")
    assert is_unused(local, "llm.base_url") and not is_unused(served, "llm.base_url")
    assert is_unused(served, "steering.alpha") and is_unused(served, "steering.mode")


def test_a_run_of_somebody_else_names_the_server_and_the_key_that_it_would_use() -> None:
    named = named_things(load_config("demo", [*SERVED, "llm.base_url=http://box/v1"]))
    assert named == ["llm.base_url = 'http://box/v1'", "llm.api_key_env = 'OPENAI_API_KEY'"]
    assert not named_things(load_config("demo"))
