"""Editing what the LLM is asked: the system prompt, the task, or the very next meta-prompt."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.events import Key, Paste
from textual.widgets import Label, Tab, Tabs, TextArea
from textual.worker import get_current_worker

from engine.common.errors import UserError
from engine.run.edits import Edit, SetNextPrompt, SetOption
from engine.run.state import RunState
from engine.search.confused import Confused
from engine.search.registry import next_question
from engine.vlm.families import task_of
from glov_tui.cockpit.bound_keys import bound_key
from glov_tui.cockpit.screens.dialog import Dialog
from glov_tui.cockpit.screens.question import ask_to_drop
from glov_tui.common.text import clean
from glov_tui.widgets.key_bar import KeyBar

SYSTEM_MARK, USER_MARK = "--- system ---", "--- user ---"


class EditorScreen(Dialog[list[Edit]]):
    """Three texts on three tabs; saving makes one edit for each that was changed.

    Typed text is kept in the editor whatever the run does meanwhile.
    """

    TITLES: ClassVar[dict[str, str]] = {
        "system": "System prompt",
        "task": "Task",
        "next": "Next meta-prompt (once)",
    }
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+s", "save", "Save", priority=True, tooltip="Make the edits and close"),
        Binding("escape", "cancel", "Cancel", tooltip="Close without an edit"),
        Binding("f4", "external", "$EDITOR", priority=True, tooltip="Edit this text in $EDITOR"),
        Binding(  # before the text area, whose f6 selects a line
            "f6,ctrl+t",
            "next_tab",
            "Next text",
            key_display="f6",
            priority=True,
            tooltip="System prompt, task, or the very next meta-prompt",
        ),
    ]
    DEFAULT_CSS = """
    EditorScreen { align: center middle; }
    EditorScreen > Vertical {
        width: 90%; height: 90%; max-width: 140;
        border: round $accent; padding: 0 1; background: $surface;
        TextArea, TextArea:focus { height: 1fr; display: none; border: none; padding: 0; }
        Tab { color: $text-muted; }
        Tab.-active { color: $foreground; }
        TextArea.-shown { display: block; }
        #when { width: 1fr; color: $text-muted; height: auto; }
    }
    """

    def __init__(
        self,
        state: RunState,
        folder: Path,
        may_save: Callable[[], bool],
        edit_externally: Callable[[str], str | None] | None = None,
    ) -> None:
        """``may_save`` says, and tells the person, where no edit can be made from here now;
        ``folder`` is the run's.
        """
        super().__init__()
        self._may_save = may_save
        self._state = state
        self._edit_externally = edit_externally
        self._folder = folder
        self._defaults = _defaults(state)
        self._originals = _texts(state, self._defaults)

    def compose(self) -> ComposeResult:
        """Tabs, one text area each, and from when an edit holds."""
        with Vertical() as box:
            box.border_title = "edit the meta-prompt"
            yield Tabs(*(Tab(title, id=name) for name, title in self.TITLES.items()))
            for name, text in self._originals.items():
                yield TextArea(text, id=f"text-{name}", soft_wrap=True, tab_behavior="focus")
            step, undo = self._state.next_step, bound_key(self.app, "undo")
            yield Label(
                f"Holds from step {step} on; the next meta-prompt is sent once, in step {step}. "
                f"Undo: ctrl+z here, {undo} after saving.",
                id="when",
                markup=False,
            )
        yield KeyBar()

    @property
    def shown(self) -> TextArea:
        """The text area of the active tab."""
        return self.query_one("TextArea.-shown", TextArea)

    def on_mount(self) -> None:
        """Begin with the first text; what is typed at once goes into it."""
        self._show(next(iter(self.TITLES)))
        config = self._state.with_pending().config
        if config is not None and config.proposal.confusions:
            self.run_worker(self._look_for_confusions, thread=True, exit_on_error=False)

    def _look_for_confusions(self) -> None:
        """On a thread: what the best template confuses, which the next meta-prompt says."""
        from engine.analysis.next_confusions import next_confusions

        confused = next_confusions(self._folder, self._state.with_pending())
        if confused and not get_current_worker().is_cancelled:
            self.app.call_from_thread(self._take_confusions, confused)

    def _take_confusions(self, confused: tuple[Confused, ...]) -> None:
        """They are in the text, but for one that was typed into already."""
        before = self._originals["next"]
        if self._text("next") == before:
            self._originals["next"] = _texts(self._state, self._defaults, confused)["next"]
            self.query_one("#text-next", TextArea).load_text(self._originals["next"])

    @on(Tabs.TabActivated)
    def _tab_activated(self) -> None:
        # Not the message's tab: f6 may have gone on to another since it was sent.
        self._show(self.query_one(Tabs).active)

    def _show(self, name: str) -> None:
        # All at once: a class takes effect later, and keys that follow go where the focus is.
        for area in self.query(TextArea):
            area.display = area.id == f"text-{name}"
            area.set_class(area.display, "-shown")
        self.set_focus(self.shown)

    def on_key(self, event: Key) -> None:
        """What is typed while no text has the focus goes into the shown one, and is not lost."""
        if event.is_printable and event.character is not None:
            self._insert(event, event.character)

    def on_paste(self, event: Paste) -> None:
        """The same for what is pasted."""
        self._insert(event, event.text)

    def _insert(self, event: Key | Paste, text: str) -> None:
        for area in self.query("TextArea.-shown").results(TextArea):
            if self.focused is not area:
                event.stop()
                self.set_focus(area)
                area.insert(text)

    def action_next_tab(self) -> None:
        """Show the next of the three texts, before any key that was typed after this one."""
        tabs = self.query_one(Tabs)
        tabs.action_next_tab()
        self._show(tabs.active)

    def action_external(self) -> None:
        """Edit the shown text in $EDITOR."""
        if self._edit_externally is None:
            return
        area = self.shown
        text = self._edit_externally(area.text)
        if text is not None:
            area.load_text(text)

    def action_save(self) -> None:
        """Make one edit for each changed text."""
        edits: list[Edit] = []
        for name, key in (("system", "proposal.system_prompt"), ("task", "proposal.task")):
            text, default = self._text(name).strip(), self._defaults[name]
            if text != self._originals[name].strip():
                value = text if text and text != default else None
                edits.append(SetOption(key=key, value=value))
        whole = self._text("next")
        if whole.strip() != self._originals["next"].strip():
            system, user = split_messages(whole)
            if not user:
                self.notify("The next meta-prompt has no user message.", severity="error")
                return
            edits.append(SetNextPrompt(system=system, user=user))
        if not edits or self._may_save():
            self.dismiss(edits)

    def action_cancel(self) -> None:
        """Close; asks first if text that was typed would be lost."""
        if all(self._text(name) == text for name, text in self._originals.items()):
            self.dismiss([])
            return

        ask_to_drop(self.app, lambda: self.dismiss([]))

    def _text(self, name: str) -> str:
        return self.query_one(f"#text-{name}", TextArea).text


def _defaults(state: RunState) -> dict[str, str]:
    """What the first two texts are where nobody wrote others."""
    if state.config is None:
        return {"system": "", "task": ""}
    task = task_of(state.config.vlm)
    return {"system": task.system_prompt, "task": task.goal}


def _texts(
    state: RunState, defaults: dict[str, str], confused: Sequence[Confused] = ()
) -> dict[str, str]:
    """The three texts as the edits made so far leave them."""
    after = state.with_pending()
    proposal = after.config.proposal if after.config else None
    texts = {
        "system": (proposal.system_prompt if proposal else None) or defaults["system"],
        "task": (proposal.task if proposal else None) or defaults["task"],
        "next": "",
    }
    if after.models is not None and after.config is not None and proposal is not None:
        try:
            messages = next_question(after, confused)
        except UserError as error:
            texts["next"] = str(error)
        else:
            # How the reply is begun is an option of its own.
            asked = [m for m in messages if m["role"] != "assistant"]
            parts = [f"--- {m['role']} ---\n{m['content']}" for m in asked]
            texts["next"] = "\n\n".join(parts)
    return {name: clean(text, keep_newlines=True) for name, text in texts.items()}


def split_messages(text: str) -> tuple[str, str]:
    """System and user message of a text with the two marks; without marks all is the user's."""
    if USER_MARK not in text:
        return "", text.replace(SYSTEM_MARK, "").strip()
    before, _, user = text.partition(USER_MARK)
    return before.replace(SYSTEM_MARK, "").strip(), user.strip()
