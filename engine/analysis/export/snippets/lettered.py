"""What scripts share that ask with four options: where they stand, and what is printed."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence

from PIL import Image

from engine.analysis.export.snippets.image_files import image_of

Choose = Callable[[Image.Image, Sequence[str]], tuple[int, list[float]]]

SIGNS = "ABCD"
ASK = "Answer with the letter of the right option."


def with_options(question: str, options: Sequence[str]) -> str:
    """A question with four options: behind it, or where <category> stands in it."""
    listed = [f"{sign}. {name}" for sign, name in zip(SIGNS, options, strict=True)]
    if "<category>" in question:
        return question.replace("<category>", ", ".join(listed), 1)
    return "\n".join([question, *listed, ASK])


def show_choice(choose: Choose) -> None:
    """Print the option that is chosen for the image that the command line names."""
    if len(sys.argv) != 2 + len(SIGNS):
        sys.exit("give an image file and four options")
    path, options = sys.argv[1], sys.argv[2:]
    index, shares = choose(image_of(path), options)
    said = f"{SIGNS[index]}. {options[index]} ({shares[index]:.1%})" if index >= 0 else "none"
    print(f"{path}: {said}")
