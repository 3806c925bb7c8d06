"""What steering does to replies, and what its vectors say: plain records, no torch."""

from engine.common.record import Record


class TracedReply(Record):
    """One reply, token by token. The tuples are of equal length.

    ``kl[i]``: KL(steered || unsteered) of the distribution that token i was drawn from, nats.
    ``log_likelihoods[i]``: of token i under the unsteered model, nats; their mean is the fluency.
    """

    text: str
    tokens: tuple[str, ...]
    kl: tuple[float, ...]
    log_likelihoods: tuple[float, ...]


class LayerLens(Record):
    """The tokens whose logits a layer's direction raises and lowers most, with the logits."""

    layer: int
    raised: tuple[tuple[str, float], ...]
    lowered: tuple[tuple[str, float], ...]
