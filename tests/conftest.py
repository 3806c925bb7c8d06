"""Shared by all tests: an own cache, no hub, and the models of the demo loaded once per process."""

from __future__ import annotations

import gc
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from engine.common.kept import Kept
from tests.support import lifeline, warm_processes

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("OMP_NUM_THREADS", "1")
# The one profile of all folders: what a folder's conftest loads, all that are collected after it
# would get. Properties are checked for what they say, not for time: the machine may be shared.
settings.register_profile(
    "quick",
    deadline=None,
    derandomize=True,
    max_examples=50,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "quick"))

_ASKED_FOR = [Path(__file__).parent / name for name in ("real", "browser")]


def pytest_configure() -> None:
    """Before anything is started, the workers of xdist too."""
    lifeline.begin()
    gc.disable()  # while tests are imported, with all that they import: none of it is garbage


def pytest_collection_finish() -> None:
    """What was imported stays: it is not looked through again and again."""
    gc.freeze()
    gc.enable()
    gc.set_threshold(10_000)  # a screen is some ten thousand objects: a tenth of its time


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """What downloads real models, or opens a browser, runs only where it is asked for."""
    if collection_path not in _ASKED_FOR:
        return None
    asked = (Path.cwd() / argument.split("::")[0] for argument in config.args)
    return None if any(path.is_relative_to(collection_path) for path in asked) else True


@pytest.fixture(scope="session", autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Never use the user's cache and settings; workers of one test run share one cache."""
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GLOV_CACHE_DIR", str(shared / "glov-cache"))
        patch.setenv("GLOV_CONFIG_DIR", str(shared / "glov-config"))
        patch.setenv("TERM", "xterm-256color")  # whatever terminal they are started in
        yield


@pytest.fixture(scope="session", autouse=True)
def _warm_engines() -> None:
    """Engines that are started in this process have their libraries already: seconds of CPU less.

    That of a terminal's ``glov`` which is ``fresh`` has not: it starts as for users.
    """
    warm_processes.install()


@pytest.fixture(scope="session")
def demo_models() -> Callable:
    """``demo_models("steps=3", ...)`` is the search of the demo with these overrides.

    The models are loaded once; they hold no state of a run.
    """
    from engine.config.toml_file import load_config
    from engine.search.meta_prompt import load_meta_prompt
    from engine.search.registry import find_search
    from engine.search.strategy import Search
    from engine.session.loading import load_search
    from engine.vlm.families import task_of

    loaded: dict[tuple[int, int], Search] = {}

    def make(*overrides: str) -> Search:
        config = load_config("demo", overrides)
        key = (config.seed, config.data.shots)
        if key not in loaded:
            loaded[key] = load_search(config, lambda *_: None, lambda _: None)
        known = loaded[key]
        search: Callable = find_search(config).load()
        return search(config, known.llm, known.fitness, load_meta_prompt(None, task_of(config.vlm)))

    return make


@pytest.fixture(scope="session")
def kept() -> Kept:
    """Models that are loaded once for all small runs of a process."""
    return Kept()


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory: pytest.TempPathFactory, kept: Kept) -> Path:
    """The folder of a small run that nothing has happened to."""
    from engine.session.local import LocalSession
    from tests.support.small_runs import demo, drive

    folder = tmp_path_factory.mktemp("runs") / "undisturbed"
    drive(LocalSession.create(demo(), folder, kept=kept))
    return folder


@pytest.fixture(scope="session")
def few_images(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """Settings for a data set of the demo with three images per class and split.

    The demo's own have 60 to test with, which is what most of a small run's time goes into where
    a VLM answers questions about each.
    """
    from engine.data.demo_world.images import write_dataset

    folder = tmp_path_factory.mktemp("few") / "images"
    write_dataset("cabinet", folder, train_per_class=3, test_per_class=3)
    return "data.dataset=image-folder", f"data.path={folder}"


@pytest.fixture
def run_folder(tmp_path: Path) -> Path:
    """A folder that a run can be written to."""
    return tmp_path / "run"
