"""Records as JSON: whatever a file is called, a line can be written and read back."""

from __future__ import annotations

import pytest

from engine.remote.messages import Refused, format_line
from engine.run import events as ev
from engine.run.events import format_event, parse_event


@pytest.mark.parametrize(
    "text", ["caf\udce9", "\udcff\udcfe.png", "half \ud800", "\U0001f600 caf\u00e9"]
)
def test_bytes_that_are_no_utf8_are_written_as_text(text):
    events = (
        ev.Warned(message=f"{text} was skipped"),
        ev.RunStarted(run=text, config={"data": {"name": text, "list": [text]}}, versions={}),
        ev.RunFailed(message=text),
    )
    for event in events:
        line = format_event(event)
        again = parse_event(line)
        assert format_event(again) == line
        line.encode()
    assert format_event(ev.Warned(message="caf\udce9", time=0)) == (
        r'{"time":0.0,"kind":"warned","message":"caf\\xe9","refuses":""}'
    )


def test_so_it_is_on_the_socket():
    assert rb"caf\\xe9" in format_line(Refused(message="caf\udce9"))


def test_ordinary_text_is_written_as_it_is():
    event = ev.Warned(message="caf\u00e9 \u65e5\u672c \U0001f600")
    assert parse_event(format_event(event)) == event
