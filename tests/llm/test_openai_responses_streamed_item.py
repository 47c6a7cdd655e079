from __future__ import annotations

from wirespan.llm.openai_responses_streamed_item import GROWTHS, StreamedItem

TEXT = GROWTHS["response.output_text"]
ARGUMENTS = GROWTHS["response.function_call_arguments"]


def test_fields_and_parts_grow() -> None:
    item = StreamedItem({"type": "message", "content": [{"type": "output_text", "text": "was there"}]})
    item.grow(TEXT, 2, "c")
    item.grow(TEXT, 1, "b")
    item.grow(TEXT, 1, "B")
    item.grow(ARGUMENTS, 0, "{}")
    assert item.assembled() == {
        "type": "message",
        "content": [
            {"type": "output_text", "text": "was there"},
            {"type": "output_text", "text": "bB"},
            {"type": "output_text", "text": "c"},
        ],
        "arguments": "{}",
    }


def test_deltas_go_on_where_the_part_begins() -> None:
    item = StreamedItem({})
    item.put_part("content", 0, {"type": "output_text", "text": "He"})
    item.grow(TEXT, 0, "llo")
    assert item.assembled()["content"] == [{"type": "output_text", "text": "Hello"}]


def test_done_stands_over_deltas() -> None:
    item = StreamedItem({"type": "function_call", "arguments": ""})
    item.grow(ARGUMENTS, 0, "{bro")
    item.complete(ARGUMENTS, 0, '{"x":1}')
    assert item.assembled()["arguments"] == '{"x":1}'
    item.finish({"type": "function_call", "arguments": "{}"}, 5)
    item.grow(ARGUMENTS, 0, "late")
    assert item.assembled() == {"type": "function_call", "arguments": "{}"}
    assert item.end_ns == 5


def test_a_late_beginning_keeps_what_had_grown() -> None:
    item = StreamedItem({"type": "message"})
    item.grow(TEXT, 0, "a")
    item.begin({"type": "message", "id": "m", "content": []})
    assert item.assembled() == {"type": "message", "id": "m", "content": [{"type": "output_text", "text": "a"}]}


def test_values_of_another_type_are_left_out() -> None:
    item = StreamedItem({})
    item.grow(TEXT, 0, {"odd": 1})
    item.complete(TEXT, 0, None)
    item.put_part("summary", 0, {})
    assert item.assembled() == {"content": [{"type": "output_text"}], "summary": [{}]}


def test_content_is_what_can_be_seen() -> None:
    item = StreamedItem({})
    item.grow(TEXT, 0, "")
    assert not item.has_content
    item.grow(TEXT, 0, "x")
    assert item.has_content
