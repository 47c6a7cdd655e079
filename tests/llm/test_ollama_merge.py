from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from wirespan.llm.api import Step
from wirespan.llm.ollama_merge import OllamaMerge

HEAD = {"model": "m", "created_at": "t"}
END = {"done": True, "done_reason": "stop", "eval_count": 3}
CALL = {"function": {"name": "f", "arguments": {"x": 1}}}


def said(done: bool = False, **message: Any) -> dict[str, Any]:
    return {**HEAD, "message": {"role": "assistant", **message}, **(END if done else {"done": False})}


def merged(*lines: Any) -> OllamaMerge:
    merge = OllamaMerge()
    for time_ns, line in enumerate(lines):
        merge.add(None, line, time_ns)
    return merge


def test_chat_written_out() -> None:
    merge = merged(
        said(content="", thinking="I "),
        said(content="", thinking="see."),
        said(content="It"),
        {**said(content=" is", tool_calls=[CALL], images=["AA=="]), "logprobs": [{"token": "is"}]},
        said(content="", tool_calls=[CALL, CALL]),
        {**said(content=".", done=True), "logprobs": [{"token": "."}]},
    )
    assert merge.answer() == {
        **HEAD,
        **END,
        "logprobs": [{"token": "is"}, {"token": "."}],
        "message": {
            "role": "assistant",
            "content": "It is.",
            "thinking": "I see.",
            "tool_calls": [CALL, CALL, CALL],
            "images": ["AA=="],
        },
    }
    assert [merge.block_end((0, place)) for place in range(4)] == [3, 4, 4, None]
    assert merge.finished


def test_generate_written_out() -> None:
    merge = merged(
        {**HEAD, "response": "", "thinking": "Hm.", "done": False},
        {**HEAD, "response": "Hel", "done": False},
        {**HEAD, "response": "lo", "done": False},
        {**HEAD, "response": "", **END, "context": [1, 2]},
    )
    assert merge.answer() == {**HEAD, **END, "response": "Hello", "thinking": "Hm.", "context": [1, 2]}


def test_steps() -> None:
    events: list[tuple[Any, Step]] = [
        (said(content=""), Step.PROGRESS),
        (said(content="x"), Step.CONTENT),
        (said(thinking="x"), Step.CONTENT),
        (said(tool_calls=[CALL]), Step.CONTENT),
        (said(tool_calls=[]), Step.PROGRESS),
        ({**HEAD, "done": False, "completed": 3, "total": 9}, Step.PROGRESS),
        ({**HEAD, "done": False, "image": "AA=="}, Step.CONTENT),
        ({"error": "boom"}, Step.PROGRESS),
        ({"status": "pulling manifest"}, Step.UNKNOWN),
        ("not json", Step.UNKNOWN),
        ([1], Step.UNKNOWN),
        (said(done=True), Step.END),
    ]
    merge = OllamaMerge()
    assert [merge.add(None, data, 0) for data, _ in events] == [step for _, step in events]
    assert merge.error == {"error": "boom"}


def test_cut_it_is_not_finished() -> None:
    assert not merged(said(content="x")).finished
    assert merged().answer() is None
    assert merged({"status": "success"}).answer() is None


@given(st.lists(st.text(max_size=4), max_size=6), st.lists(st.text(max_size=4), max_size=6))
def test_no_letter_is_lost(contents: list[str], thoughts: list[str]) -> None:
    lines = [said(thinking=text) for text in thoughts] + [said(content=text) for text in contents]
    answer = merged(*lines, said(done=True)).answer()
    assert answer is not None
    assert answer["message"]["content"] == "".join(contents)
    assert answer["message"].get("thinking", "") == "".join(thoughts)


_KEYS = st.sampled_from(["message", "content", "done", "tool_calls", "error", "response", "logprobs", "images"])
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_KEYS, inner, max_size=4),
    max_leaves=8,
)


@given(st.lists(st.dictionaries(_KEYS, _JSON, max_size=5), max_size=5))
def test_any_lines(lines: list[Any]) -> None:
    merge = merged(*lines)
    merge.answer()
    merge.block_end((0, 0))
