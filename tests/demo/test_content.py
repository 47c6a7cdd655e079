"""What the pretended model says."""

from __future__ import annotations

from dataclasses import replace

import pytest

from wirespan.demo.content import Draft, Tool, Turn, compose, digest_of
from wirespan.demo.script import Script

_TURN = Turn(digest="d" * 16, last_text="hi", last_is_tool_result=False, tools=())
_SCHEMA = {
    "properties": {
        "city": {"type": "string", "enum": ["Rome", "Oslo"]},
        "days": {"type": "integer"},
        "deep": {"type": "boolean"},
        "tags": {"type": "array"},
        "note": {},
    }
}


def test_the_same_turn_gets_the_same_answer_and_another_one_another() -> None:
    assert compose(_TURN, Script()) == compose(_TURN, Script())
    assert compose(_TURN, Script()).text != compose(replace(_TURN, digest="e" * 16), Script()).text
    assert len({digest_of(b"x"), digest_of(b"x", 1), digest_of(b"y", 1)}) == 3


def test_a_tool_is_called_until_its_result_is_there() -> None:
    asked = replace(_TURN, tools=(Tool("look", _SCHEMA), Tool("listen", None)))
    draft = compose(asked, Script(tool_calls=3))
    assert [call.name for call in draft.calls] == ["look", "listen", "look"]
    arguments = draft.calls[0].arguments
    assert arguments["city"] == "Rome"
    assert isinstance(arguments["days"], int)
    assert isinstance(arguments["deep"], bool)
    assert arguments["tags"] == []
    assert isinstance(arguments["note"], str)
    assert draft.calls[1].arguments == {}
    assert len({call.id_suffix for call in draft.calls}) == 3
    answered = compose(replace(asked, last_is_tool_result=True, last_text="rain"), Script())
    assert answered.calls == ()
    assert "".join(answered.text).startswith("The tool says: rain")


def test_tools_that_are_not_offered_can_not_be_called() -> None:
    with pytest.raises(ValueError, match="offers no tools"):
        compose(_TURN, Script(style="tools"))


def test_size_reasoning_and_refusal_are_as_the_script_says() -> None:
    assert len("".join(compose(_TURN, Script(text_bytes=5000)).text).encode()) >= 5000
    large = compose(_TURN, Script(text_bytes=300_000)).text
    assert len("".join(large).encode()) >= 300_000
    assert len(large) < 400
    assert compose(replace(_TURN, reasoning=True), Script()).reasoning_tokens == 8
    refusal = compose(_TURN, Script(style="refusal"))
    assert (refusal.text, refusal.calls) == ((), ())
    assert refusal.output_tokens == len(refusal.refusal) > 1


def test_tokens_are_pieces() -> None:
    assert Draft("d", reasoning=("a",), text=("b", "c")).output_tokens == 3
