"""What the steering lab can try, and what comes of it: plain records, no model.

An experiment decodes the run's own meta-prompt with random numbers of its own, or that of a past
step with the step's. It is shown and forgotten: no part of the journal, no influence on the run.
``engine.search.lab`` does the work.
"""

from typing import Annotated, Literal

from pydantic import Field

from engine.common.record import Count, Record
from engine.config import Alpha, AlphaUnit, Pooling, SteeringMode
from engine.steering.measures import LayerLens, TracedReply

MAX_REPLIES = 64


class SteeringSetting(Record):
    """One way to steer: the keys of the configuration's ``steering`` section, none of them auto."""

    mode: SteeringMode = "last-token"
    layers: tuple[int, ...]
    alpha: Alpha = 1.0
    alpha_unit: AlphaUnit = "absolute"
    pool: Pooling = "no-bos"

    def describe(self) -> str:
        """One line: ``last-token, layer 3, alpha 0.5``."""
        if self.mode == "off":
            return "off"
        plural = "s" if len(self.layers) > 1 else ""
        layers = ", ".join(str(layer) for layer in self.layers)
        unit = " of the norm" if self.alpha_unit == "relative" else ""
        return f"{self.mode}, layer{plural} {layers}, alpha {self.alpha:g}{unit}"


class CompareSettings(Record):
    """The same prompt and random numbers with two settings, side by side.

    With ``step`` they are those of a step that is past: its meta-prompt, its P+ and P-, its options
    and its own random numbers. The step's own setting gives the very replies of the run then.
    """

    kind: Literal["compare-settings"] = "compare-settings"
    left: SteeringSetting
    right: SteeringSetting
    replies: Annotated[int, Field(ge=1, le=MAX_REPLIES)] = 4
    seed: int = 0
    step: Count | None = None


class ScanSettings(Record):
    """A grid over layers and alphas; the other keys are ``setting``'s."""

    kind: Literal["scan-settings"] = "scan-settings"
    setting: SteeringSetting
    layers: Annotated[tuple[int, ...], Field(min_length=1)]
    alphas: Annotated[tuple[Alpha, ...], Field(min_length=1)]
    replies: Annotated[int, Field(ge=1, le=MAX_REPLIES)] = 4
    seed: int = 0
    fitness: bool = False  # also score the templates that come out: slower


class ReadLens(Record):
    """The logit lens of the direction: what it says, read at each layer through the LLM's head."""

    kind: Literal["read-lens"] = "read-lens"
    pool: Pooling = "no-bos"


Experiment = Annotated[
    CompareSettings | ScanSettings | ReadLens,
    Field(discriminator="kind"),
]


class RepliesCompared(Record):
    """The replies of both settings, in the order of their seeds."""

    kind: Literal["replies-compared"] = "replies-compared"
    left: tuple[TracedReply, ...]
    right: tuple[TracedReply, ...]


class CellMeasured(Record):
    """One cell of the grid: means over all tokens of all replies."""

    kind: Literal["cell-measured"] = "cell-measured"
    layer: int
    alpha: float
    kl: float  # nats
    fluency: float  # mean log-likelihood of a token under the unsteered model, nats
    templates: int  # distinct templates among the replies
    strength: float | None = None  # norm of what is added over the hidden state's, where known
    accuracy: float | None = None  # mean few-shot accuracy of these templates, 0 to 1
    refused: int = 0  # of these templates, those that a run would not score, as here
    why_refused: str = ""  # a sentence on the first of them


class LensRead(Record):
    """The logit lens of every layer."""

    kind: Literal["lens-read"] = "lens-read"
    layers: tuple[LayerLens, ...]


Finding = Annotated[
    RepliesCompared | CellMeasured | LensRead,
    Field(discriminator="kind"),
]
"""What an experiment comes to; a scan has many."""
