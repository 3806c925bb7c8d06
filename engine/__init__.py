"""The GLOV optimiser: an LLM proposes prompt templates for a vision-language model.

The search is a generator of events (``engine.search``), the state of a run is the fold of those
events (``engine.run``), and a run on disk is a journal of them (``engine.storage``). Nothing in
this package knows about a screen.
"""

__version__ = "0.1.0"
