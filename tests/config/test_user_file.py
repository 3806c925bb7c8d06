"""The user's own file: what it may say, and when none of it is used."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.common.errors import ConfigError, UserError
from engine.config.notify import OCCASIONS, read_notify
from engine.config.toml_file import load_config
from engine.config.user_file import read_user_file, user_file

SECRET = "https://chat.example/hook/abcdef123456"


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("GLOV_CONFIG_DIR", str(tmp_path / "glov"))
    path = user_file()
    path.parent.mkdir(mode=0o700)
    return path


def wrong(file: Path, text: str) -> str:
    file.write_text(text)
    with pytest.raises(ConfigError) as raised:
        settings = read_notify()
        settings.program()
        settings.address()
    return str(raised.value)


def test_without_a_file_nothing_is_run_and_all_is_told_of(file: Path) -> None:
    settings = read_notify()
    assert settings.on == OCCASIONS
    assert settings.program() == () and settings.address() is None


def test_it_is_where_the_platform_has_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GLOV_CONFIG_DIR")
    monkeypatch.setenv("XDG_CONFIG_HOME", "/somewhere")
    assert user_file() == Path("/somewhere/glov/config.toml")


def test_a_command_is_a_list_or_a_line_that_no_shell_reads(file: Path) -> None:
    file.write_text("[notify]\ncommand = \"notify-send 'a b' $HOME ; id\"")
    assert read_notify().program() == ("notify-send", "a b", "$HOME", ";", "id")
    file.write_text("""[notify]\ncommand = ["sh", "-c", 'tell "$GLOV_NEWS_TEXT"']""")
    assert read_notify().program() == ("sh", "-c", 'tell "$GLOV_NEWS_TEXT"')
    file.write_text('[notify]\ncommand = ["./told.sh", "x"]')
    assert read_notify().program() == (str(file.parent / "told.sh"), "x"), "not of any folder"


def test_an_address_may_be_in_the_environment(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file.write_text('[notify]\nwebhook_env = "MY_HOOK"')
    monkeypatch.setenv("MY_HOOK", SECRET)
    settings = read_notify()
    assert settings.address() == SECRET
    monkeypatch.delenv("MY_HOOK")
    with pytest.raises(ConfigError, match="MY_HOOK is not set"):
        settings.address()


def test_a_secret_does_not_show(file: Path) -> None:
    file.write_text(f'[notify]\nwebhook = "{SECRET}"')
    settings = read_notify()
    assert settings.address() == SECRET
    assert "abcdef" not in f"{settings!r} {settings} {settings.model_dump_json()}"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('[notfy]\ncommand = "x"', "did you mean [notify]?"),
        ("notify = 3", "notify is a table"),
        ('[notify]\non = ["done"]', "notify.on: should be"),
        ("[notify]\ntimeout = 0", "notify.timeout: should be more than 0"),
        ("[notify]\nwebhooks = 'https://chat.example/hook/abcdef123456'", "notify.webhooks"),
        ("[notify]\nwebhook = 'chat.example/hook/abcdef123456'", "should be an address"),
        ("[notify]\nwebhook = 'https://me:abcdef@chat.example/x'", "user name or password"),
        ('[notify]\nwebhook = "https://chat.example/a\\tabcdef"', "should be an address"),
        ("[notify]\nwebhook = 'https://chat.example/abcdef", "line 2: the text is not closed"),
        ("[notify]\nwebhook = ['https://chat.example/hook/abcdef123456']", "notify.webhook"),
        ("[notify]\nwebhook_env = 'https://chat.example/hook/abcdef123456'", "name of an env"),
        ('[notify]\ncommand = "echo \'abcdef"', "notify.command"),
        ("[notify]\ncommand = 3", "notify.command: should be a list"),
        ("[notify]\ncommand = 'tell abcdef $GLOV_NEWS_TEXT'", "no shell reads it, so $GLOV_NEWS_T"),
        ("[notify]\ncommand = ['tell', 'abcdef ${GLOV_NEWS_RUN}!']", "give it to one: command = ["),
        ("[notify", "no valid TOML"),
    ],
)
def test_what_is_wrong_is_said_without_a_secret(file: Path, text: str, says: str) -> None:
    said = wrong(file, text)
    assert says in said and "abcdef" not in said


@pytest.mark.parametrize("of", ["file", "folder"])
def test_a_file_that_others_can_write_is_not_used(file: Path, of: str) -> None:
    file.write_text('[notify]\ncommand = "x"')
    (file if of == "file" else file.parent).chmod(0o777)
    with pytest.raises(UserError, match="somebody else may have written it"):
        read_user_file()


def test_no_configuration_of_a_run_can_name_a_command(tmp_path: Path) -> None:
    config = tmp_path / "shared.toml"
    config.write_text('[notify]\ncommand = "x"')
    with pytest.raises(ConfigError, match="notify"):
        load_config(config)
