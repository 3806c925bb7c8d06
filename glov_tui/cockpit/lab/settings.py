"""From what is typed in the lab to settings the engine can try, and from these to edits of the run.

Plain functions of a state: no widget.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from pydantic import ValidationError

from engine.common.validation import problem
from engine.config import RunConfig, SteeringConfig
from engine.config.steered_layers import resolve_layers
from engine.run.edits import Edit, SetOption
from engine.run.experiment import MAX_REPLIES, SteeringSetting
from engine.run.state import RunState

SPREAD = 6  # layers of a grid that nobody has chosen
MAX_CELLS = 400  # of a grid; each decodes all replies


AUTO = "auto"


class TypedWrong(ValueError):
    """What is typed can't be used; ``field`` names where it was typed."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


@dataclass(frozen=True, slots=True)
class Typed:
    """A row of the form as it is typed; layers and alphas may be lists."""

    mode: str
    layers: str
    alpha: str
    unit: str
    pool: str

    @classmethod
    def of(cls, setting: SteeringSetting) -> Typed:
        """A setting as it would be typed."""
        return cls(
            setting.mode,
            written_layers(setting.layers),
            written((setting.alpha,)),
            setting.alpha_unit,
            setting.pool,
        )

    @property
    def leaves_alpha(self) -> bool:
        """Whether the run is to find alpha as it goes."""
        return self.alpha.strip().casefold() == AUTO

    def setting(self, n_layers: int, auto: float) -> SteeringSetting:
        """The setting; with mode off the layers and alpha need not be right.

        ``auto``: what to try where the field says ``auto``.

        Raises:
            TypedWrong: if a field can't be used.
        """
        if self.mode == "off":
            return SteeringSetting(mode="off", layers=())
        alphas = parse_alphas(self.alpha, (auto,))
        if len(alphas) > 1:
            raise TypedWrong("alpha", f"alpha = {self.alpha}: give one number, not a list")
        return self.with_values(parse_layers(self.layers, n_layers), alphas[0])

    def with_values(self, layers: Sequence[int], alpha: float) -> SteeringSetting:
        """The setting of this row with these layers and this alpha.

        Raises:
            TypedWrong: if alpha is out of its range.
        """
        values = {
            "mode": self.mode,
            "layers": tuple(layers),
            "alpha": alpha,
            "alpha_unit": self.unit,
            "pool": self.pool,
        }
        try:
            return SteeringSetting.model_validate(values)
        except ValidationError as error:
            detail = error.errors()[0]
            field = str(detail["loc"][0])
            message = f"{field} = {detail['input']}: {problem(detail)}"
            raise TypedWrong("unit" if field == "alpha_unit" else field, message) from None


def written_layers(layers: Sequence[int]) -> str:
    """Ascending layers as they are typed, three or more in a row as a range: ``0-5, 17``."""
    runs: list[list[int]] = []
    for layer in layers:
        if runs and layer == runs[-1][-1] + 1:
            runs[-1].append(layer)
        else:
            runs.append([layer])
    return ", ".join(f"{r[0]}-{r[-1]}" if len(r) > 2 else written(r) for r in runs)


def written(numbers: Iterable[float]) -> str:
    """Numbers as they are typed: ``0.25, 1``."""
    return ", ".join(f"{number:g}" for number in numbers)


def parse_layers(text: str, n_layers: int) -> tuple[int, ...]:
    """``3``, ``3, 5``, ``8-12`` or ``auto`` as layers in ascending order, each once.

    Raises:
        TypedWrong: if the text is something else, or names a layer that the LLM does not have.
    """
    if text.strip().casefold() == AUTO:
        return resolve_layers(SteeringConfig(layers="auto"), n_layers)
    layers: set[int] = set()
    for part in text.split(","):
        first, dash, last = part.strip().partition("-")
        try:
            low = int(first)
            high = int(last) if dash else low
        except ValueError:
            shown = text.strip()
            raise TypedWrong(
                "layers",
                f"layers = {shown!r}: give a layer (3), a list (3, 5), a range (3-5) or auto",
            ) from None
        if low > high or high >= n_layers:
            raise TypedWrong(
                "layers", f"layers = {part.strip()}: the LLM has layers 0 to {n_layers - 1}"
            )
        layers.update(range(low, high + 1))
    return tuple(sorted(layers))


def parse_alphas(text: str, auto: tuple[float, ...]) -> tuple[float, ...]:
    """``0.5`` or ``0.25, 1`` as numbers, each once, in the order in which they are typed.

    ``auto``: those that the word ``auto`` stands for.

    Raises:
        TypedWrong: if the text is something else.
    """
    if text.strip().casefold() == AUTO:
        return auto
    try:
        alphas = [float(part) for part in text.split(",")]
    except ValueError:
        alphas = [math.nan]
    if not all(map(math.isfinite, alphas)):
        raise TypedWrong("alpha", f"alpha = {text.strip()!r}: give a number such as 0.5, or auto")
    return tuple(dict.fromkeys(alphas))


def parse_count(field: str, text: str, low: int, high: int) -> int:
    """A whole number from ``low`` to ``high``.

    Raises:
        TypedWrong: if the text is something else.
    """
    try:
        number = int(text)
    except ValueError:
        number = low - 1
    if not low <= number <= high:
        shown = text.strip()
        raise TypedWrong(field, f"{field} = {shown!r}: give a whole number from {low} to {high}")
    return number


def parse_replies(text: str) -> int:
    """How many replies to decode.

    Raises:
        TypedWrong: if it is no number from 1 to ``MAX_REPLIES``.
    """
    return parse_count("replies", text, 1, MAX_REPLIES)


@dataclass
class LabValues:
    """What was set in the lab, kept from one opening of it to the next."""

    rows: dict[str, Typed] = field(default_factory=dict)
    counts: dict[str, str] = field(default_factory=lambda: {"replies": "4", "seed": "0"})


def setting_of(state: RunState) -> SteeringSetting | None:
    """What the run steers with; None while the model is unknown or where it can't be steered."""
    if state.config is None or state.models is None or not state.models.llm_layers:
        return None
    steering = state.config.steering
    return SteeringSetting(
        mode=steering.mode,
        layers=resolve_layers(steering, state.models.llm_layers),
        alpha=_alpha(state, state.config),
        alpha_unit=steering.alpha_unit,
        pool=steering.pool,
    )


def _alpha(state: RunState, config: RunConfig) -> float:
    if config.steering.alpha != "auto":
        return config.steering.alpha
    latest = state.steering or state.steering_before
    return latest.alpha if latest is not None else config.steering.alphas[0]


def grid_of(state: RunState) -> tuple[tuple[int, ...], tuple[float, ...]]:
    """Layers and alphas of a grid around what the run steers with."""
    now = setting_of(state)
    if now is None or state.config is None or state.models is None:
        return (), ()
    last = state.models.llm_layers - 1
    spread = {round(i * last / (SPREAD - 1)) for i in range(SPREAD)}
    alphas = {*state.config.steering.alphas, now.alpha}
    return tuple(sorted(spread | set(now.layers))), tuple(sorted(alphas))


def anchors_of(state: RunState) -> tuple[str, str] | None:
    """P+ and P- as the next step has them."""
    return state.with_pending().anchors or state.anchors


def edits_towards(
    state: RunState, setting: SteeringSetting, leaves_alpha: bool = False
) -> list[Edit]:
    """The edits after which the run steers with this setting; none where it does already.

    ``leaves_alpha``: with ``steering.alpha = auto`` in place of the setting's.
    """
    after = state.with_pending()
    now = setting_of(after)
    if now is None or after.config is None:
        return []
    edits: list[Edit] = []
    if setting.mode != now.mode:
        edits.append(SetOption(key="steering.mode", value=setting.mode))
    if setting.mode == "off":
        return edits
    if setting.layers != now.layers:
        edits.append(SetOption(key="steering.layers", value=list(setting.layers)))
    alpha = AUTO if leaves_alpha else setting.alpha
    if alpha != after.config.steering.alpha:
        edits.append(SetOption(key="steering.alpha", value=alpha))
    if setting.alpha_unit != now.alpha_unit:
        edits.append(SetOption(key="steering.alpha_unit", value=setting.alpha_unit))
    if setting.pool != now.pool:
        edits.append(SetOption(key="steering.pool", value=setting.pool))
    return edits
