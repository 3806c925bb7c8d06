"""What a run says of a server that its LLM is on: what its replies have cost."""

from typing import Annotated, Literal

from pydantic import Field

from engine.common.record import Count
from engine.run.event_record import EventRecord

Cost = Annotated[float, Field(ge=0, allow_inf_nan=False)]
"""In the currency of ``llm.price_in`` and ``llm.price_out``."""


class ServerUsed(EventRecord):
    """What came to be paid for since the last such fact, as the server counts it.

    It stands for good, also in a step that is cut off and begun again.
    """

    kind: Literal["server-used"] = "server-used"
    step: Count
    requests: Count  # that were replied to
    tokens_in: Count
    tokens_out: Count  # with thoughts
    uncounted: Count = 0  # of the requests: the server did not say their tokens
    cost: Cost | None = None  # of the counted ones; null where no prices were given
