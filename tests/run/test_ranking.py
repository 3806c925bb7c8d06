from hypothesis import given
from hypothesis import strategies as st

from engine.run.ranking import (
    Proposal,
    ScoredTemplate,
    best_and_worst,
    find_anchors,
    ranked,
)


def template(key: str, hits: int, margin: float = -1.0, n: int = 10) -> ScoredTemplate:
    return ScoredTemplate(key, key, "llm", Proposal(1, 1, 0), hits, n, margin, ())


scores = st.lists(st.tuples(st.integers(0, 10), st.sampled_from([-2.0, -1.0])), max_size=30)


def test_order_is_accuracy_then_margin_then_first_seen() -> None:
    a, b = template("a", 5, -1.0), template("b", 5, -0.5)
    c, d = template("c", 5, -0.5), template("d", 6, -9.0)
    assert [t.key for t in ranked([a, b, c, d])] == ["d", "b", "c", "a"]


@given(scores, st.integers(1, 8))
def test_worst_are_never_best(pairs, k) -> None:
    ranking = ranked(template(str(i), h, m) for i, (h, m) in enumerate(pairs))
    best, worst = best_and_worst(ranking, k)
    assert len(best) <= k and len(worst) <= k
    assert not {t.key for t in best} & {t.key for t in worst}
    if len(ranking) >= 2 * k:
        assert best == ranking[:k][::-1] and worst == ranking[::-1][:k]
    else:
        assert len(best) + len(worst) == len(ranking) or len(worst) == k
    if best and worst:
        assert worst[-1].accuracy <= best[0].accuracy


def test_seed_alone_is_best() -> None:
    seed = template("seed", 4)
    assert best_and_worst([seed], 5) == ([seed], [])


@given(scores)
def test_negative_anchor_is_the_best_one_strictly_below(pairs) -> None:
    ranking = ranked(template(str(i), h, m) for i, (h, m) in enumerate(pairs))
    anchors = find_anchors(ranking)
    below = [t for t in ranking if t.hits < ranking[0].hits] if ranking else []
    if not below:
        assert anchors is None
    else:
        assert anchors == (ranking[0], below[0])
