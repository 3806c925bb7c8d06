"""Whether the test accuracy of a template can be measured for a person, and what it costs."""

from __future__ import annotations

from engine.common.wording import counted
from engine.run.state_facts import RunFacts


def measure_problem(state: RunFacts, key: str) -> str | None:
    """Why the test accuracy of a template is not measured, None if it is to be."""
    template, models = state.find(key), state.models
    if template is None:
        return f"no such template: {key}"
    if models is not None and not models.test_size:
        return "the data set has no test images"
    known = state.tested(template.text)
    if known is not None:
        share = f"{known.hits / known.n:.1%} of {counted(known.n, 'image')}"
        return f"its test accuracy is known: {share} ({template.text})"
    if any(asked.template == template.text for asked in state.tests_asked):
        return f"its test accuracy was asked for already, and is not measured yet: {template.text}"
    if state.status == "finished":
        return "the run is finished; glov eval measures any template on the test split"
    return None


def measure_cost(state: RunFacts, templates: int = 1) -> str:
    """What that takes, in words: images, templates, and how long the seed template took."""
    models, seed = state.models, state.test("seed")
    if models is None:
        return "how many test images there are is known when the data is loaded"
    images = counted(models.test_size, "test image")
    if seed is None:
        return f"{images} x {counted(templates, 'template')}"
    seconds = seed.seconds * templates
    took = f"about {seconds:.1f} s" if seconds < 60 else f"about {seconds / 60:.0f} min"
    took = took if seconds >= 0.05 else "less than 0.1 s"
    return f"{images} x {counted(templates, 'template')}: {took}, as the seed template took"
