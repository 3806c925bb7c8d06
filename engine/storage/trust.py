"""Runs of somebody else: what their journals may make this user's processes do.

A journal begins with a configuration. It can name folders and files of the one who takes the run
up, have code run that comes with a model, and have a key sent to a server. All of this happens for
a journal that this user alone could have written; for others the command line has to say so, with
``TRUST_FLAG``.
"""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from engine.common.errors import UserError
from engine.common.ownership import why_foreign
from engine.common.user_path import user_path
from engine.config import RunConfig
from engine.storage.run_folder import EVENTS, run_argument

TRUST_FLAG = "--trust-run"

SECTIONS = ("data", "llm", "vlm", "proposal")

_OWN = Path(__file__).resolve().parents[1]


def check_trust(
    folder: Path, config: RunConfig, trusted: bool, sections: Collection[str] = SECTIONS
) -> None:
    """See that a run may be taken up with this configuration of its journal.

    Args:
        folder: of the run.
        config: that its journal leads to.
        trusted: the user has said so.
        sections: of the configuration that are used.

    Raises:
        UserError: if somebody else may have written the journal, and it names what is used with
            this user's rights.
    """
    if trusted:
        return
    place = folder.resolve()
    reason = why_foreign(place, place / EVENTS)
    named = [said for said in named_things(config) if said.partition(".")[0] in sections]
    if reason is None or not named:
        return
    raise UserError(
        f"{folder} may be what somebody else wrote: {reason}. Its configuration has "
        f"{', '.join(named)}, which would be used with your rights. `glov replay "
        f"{run_argument(folder)}` shows the run without that. If you trust it, give {TRUST_FLAG} "
        "to glov resume, fork, steer, eval or export"
    )


def named_things(config: RunConfig) -> list[str]:
    """Keys and values of a configuration that make a run use local files or a key, or run code."""
    found = []
    if config.llm.trust_remote_code and not config.llm.is_served:
        found.append("llm.trust_remote_code = true")
    if config.vlm.trust_remote_code:
        found.append("vlm.trust_remote_code = true")
    if config.llm.is_served:  # what is sent there, with a key of this user's, may cost money
        found.append(f"llm.base_url = {config.llm.base_url!r}")
        found.append(f"llm.api_key_env = {config.llm.api_key_env!r}")
    llm_model = None if config.llm.is_served else _if_local(config.llm.model)
    paths = {
        "data.path": config.data.path,
        "data.options": config.data.options,
        "llm.model": llm_model,
        "vlm.model": _if_local(config.vlm.model),
        "vlm.pretrained": _if_local(config.vlm.pretrained),
        "vlm.embedder": _if_local(config.vlm.embedder),
        "vlm.judge_model": _if_local(config.vlm.judge_model),
        "proposal.template_file": config.proposal.template_file,
    }
    return found + [f"{key} = {value!r}" for key, value in paths.items() if value is not None]


def _if_local(name: str | None) -> str | None:
    """A name that stands for files here: written as a path, or one that there is."""
    if name is None:
        return None
    path = user_path(name.removeprefix("local-dir:"))
    is_path = name.startswith((".", "/", "~", "local-dir:"))
    try:
        if _OWN in path.resolve().parents:  # the demo's models come with glov
            return None
        return name if is_path or path.exists() else None
    except OSError:
        return name
