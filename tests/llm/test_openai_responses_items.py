"""Every kind of item that the API knows, and those it does not, as messages."""

from __future__ import annotations

import base64
import hashlib
import typing
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai.types.responses.response_input_item_param import ResponseInputItemParam
from openai.types.responses.response_item import ResponseItem

from wirespan.llm import Generic, Media, Message, Part, Reasoning, Refusal, Text, ToolCall, ToolCallResponse
from wirespan.llm.openai_responses_items import input_messages, output_parts

PNG = b"\x89PNG\r\n"
PNG_BASE64 = base64.b64encode(PNG).decode()
SHA256 = hashlib.sha256(PNG).hexdigest()
HIT = {"file_id": "f", "score": 0.5, "text": "t"}
TOOLS = [{"type": "function", "name": "f"}]


def hosted(call_id: str, name: str, arguments: Any) -> ToolCall:
    return ToolCall(call_id, name, arguments, server_side=True, end_ns=7)


def ran(call_id: str, response: Any, name: str, is_error: bool = False) -> ToolCallResponse:
    return ToolCallResponse(call_id, response, name, is_error=is_error, server_side=True)


# Items that a model's answer is made of, and their parts.
SAID: list[tuple[dict[str, Any], list[Part]]] = [
    (
        {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "hi", "annotations": []}]},
        [Text("hi")],
    ),
    ({"type": "message", "role": "assistant", "content": [{"type": "refusal", "refusal": "no"}]}, [Refusal("no")]),
    ({"type": "reasoning", "summary": [], "encrypted_content": "gAA"}, [Reasoning("", redacted=True)]),
    (
        {"type": "reasoning", "summary": [{"type": "summary_text", "text": t} for t in ("a", "b")]},
        [Reasoning("a\n\nb")],
    ),
    (
        {
            "type": "reasoning",
            "summary": [{"type": "summary_text", "text": "short"}],
            "content": [{"type": "reasoning_text", "text": "long"}],
        },
        [Reasoning("long"), Reasoning("short")],
    ),
    (
        {"type": "function_call", "id": "fc", "call_id": "c", "name": "look", "arguments": '{"x":1}'},
        [ToolCall("c", "look", {"x": 1}, end_ns=7)],
    ),
    (
        {"type": "function_call", "call_id": "c", "name": "look", "namespace": "crm", "arguments": "{bro"},
        [ToolCall("c", "crm.look", "{bro", end_ns=7)],
    ),
    (
        {"type": "custom_tool_call", "call_id": "c", "name": "apply_patch", "input": '{"not":"json"}'},
        [ToolCall("c", "apply_patch", '{"not":"json"}', end_ns=7)],
    ),
    (
        {"type": "local_shell_call", "id": "l", "call_id": "c", "action": {"type": "exec", "command": ["ls"]}},
        [ToolCall("c", "local_shell", {"type": "exec", "command": ["ls"]}, end_ns=7)],
    ),
    (
        {"type": "shell_call", "call_id": "c", "action": {"commands": ["ls"]}, "environment": {"type": "local"}},
        [ToolCall("c", "shell", {"commands": ["ls"]}, end_ns=7)],
    ),
    (
        {"type": "shell_call", "call_id": "c", "action": {}, "environment": {"type": "container_reference"}},
        [hosted("c", "shell", {})],
    ),
    (
        {"type": "apply_patch_call", "call_id": "c", "operation": {"type": "delete_file", "path": "a"}},
        [ToolCall("c", "apply_patch", {"type": "delete_file", "path": "a"}, end_ns=7)],
    ),
    (
        {"type": "computer_call", "call_id": "c", "action": {"type": "wait"}, "pending_safety_checks": []},
        [ToolCall("c", "computer", {"action": {"type": "wait"}}, end_ns=7)],
    ),
    (
        {"type": "tool_search_call", "call_id": "c", "execution": "client", "arguments": {"q": "x"}},
        [ToolCall("c", "tool_search", {"q": "x"}, end_ns=7)],
    ),
    (
        {"type": "tool_search_call", "id": "t", "call_id": None, "execution": "server", "arguments": {"q": "x"}},
        [hosted("t", "tool_search", {"q": "x"})],
    ),
    ({"type": "program", "call_id": "c", "code": "f()", "fingerprint": "p"}, [hosted("c", "program", "f()")]),
    (
        {"type": "web_search_call", "id": "w", "status": "completed", "action": {"type": "search", "query": "q"}},
        [hosted("w", "web_search", {"type": "search", "query": "q"})],
    ),
    (
        {"type": "file_search_call", "id": "w", "queries": ["q"], "results": [HIT]},
        [hosted("w", "file_search", ["q"]), ran("w", [HIT], "file_search")],
    ),
    ({"type": "file_search_call", "id": "w", "queries": ["q"], "results": None}, [hosted("w", "file_search", ["q"])]),
    (
        {
            "type": "code_interpreter_call",
            "id": "w",
            "code": "1+1",
            "container_id": "k",
            "outputs": [{"type": "logs", "logs": "2"}, {"type": "image", "url": f"data:image/png;base64,{PNG_BASE64}"}],
        },
        [
            hosted("w", "code_interpreter", {"code": "1+1", "container_id": "k"}),
            ran(
                "w",
                [
                    {"type": "logs", "logs": "2"},
                    {"type": "image", "mime_type": "image/png", "size_bytes": 6, "sha256": SHA256},
                ],
                "code_interpreter",
            ),
        ],
    ),
    (
        {"type": "image_generation_call", "id": "w", "result": PNG_BASE64, "output_format": "webp", "size": "1x1"},
        [
            hosted("w", "image_generation", {"size": "1x1", "output_format": "webp"}),
            Media("image", "image/webp", size_bytes=6, sha256=SHA256),
        ],
    ),
    (
        {"type": "image_generation_call", "id": "w", "result": None, "status": "failed", "error": {"message": "no"}},
        [hosted("w", "image_generation", {}), ran("w", {"message": "no"}, "image_generation", is_error=True)],
    ),
    (
        {"type": "mcp_call", "id": "w", "server_label": "s", "name": "find", "arguments": '{"q":1}', "output": "ok"},
        [hosted("w", "find", {"q": 1}), ran("w", "ok", "find")],
    ),
    (
        {"type": "mcp_call", "id": "w", "server_label": "s", "name": "find", "arguments": "", "error": {"code": 500}},
        [hosted("w", "find", ""), ran("w", {"code": 500}, "find", is_error=True)],
    ),
    (
        {"type": "mcp_list_tools", "id": "w", "tools": []},
        [Generic("mcp_list_tools", {"type": "mcp_list_tools", "id": "w", "tools": []})],
    ),
    (
        {"type": "mcp_approval_request", "id": "w", "name": "n"},
        [Generic("mcp_approval_request", {"type": "mcp_approval_request", "id": "w", "name": "n"})],
    ),
    (
        {"type": "compaction", "id": "cmp", "encrypted_content": "gAAAA"},
        [Generic("compaction", {"type": "compaction", "id": "cmp", "encrypted_chars": 5})],
    ),
    ({"type": "hologram_call", "x": 1}, [Generic("hologram_call", {"type": "hologram_call", "x": 1})]),
]
# Results of tools that ran at the client.
RESULTS: list[tuple[dict[str, Any], ToolCallResponse]] = [
    ({"type": "function_call_output", "call_id": "c", "output": "5 °C"}, ToolCallResponse("c", "5 °C")),
    (
        {
            "type": "function_call_output",
            "call_id": "c",
            "name": "f",
            "namespace": "n",
            "output": [{"type": "input_image", "image_url": f"data:image/png;base64,{PNG_BASE64}"}],
        },
        ToolCallResponse(
            "c", [{"type": "input_image", "mime_type": "image/png", "size_bytes": 6, "sha256": SHA256}], "n.f"
        ),
    ),
    ({"type": "custom_tool_call_output", "call_id": "c", "output": "Done!"}, ToolCallResponse("c", "Done!")),
    ({"type": "local_shell_call_output", "id": "c", "output": "{}"}, ToolCallResponse("c", "{}", "local_shell")),
    (
        {"type": "shell_call_output", "call_id": "c", "output": [{"stdout": "a"}]},
        ToolCallResponse("c", [{"stdout": "a"}], "shell"),
    ),
    (
        {"type": "apply_patch_call_output", "call_id": "c", "status": "failed", "output": "no"},
        ToolCallResponse("c", "no", "apply_patch", is_error=True),
    ),
    (
        {"type": "computer_call_output", "call_id": "c", "output": {"type": "computer_screenshot", "file_id": "f"}},
        ToolCallResponse("c", {"type": "computer_screenshot", "file_id": "f"}, "computer"),
    ),
    (
        {"type": "tool_search_output", "call_id": "c", "execution": "client", "tools": TOOLS},
        ToolCallResponse("c", TOOLS, "tool_search"),
    ),
    (
        {"type": "program_output", "call_id": "c", "result": "3"},
        ToolCallResponse("c", "3", "program", server_side=True),
    ),
    (
        {"type": "hologram_call_output", "call_id": "c", "picture": 1},
        ToolCallResponse("c", {"type": "hologram_call_output", "call_id": "c", "picture": 1}),
    ),
]
# What is neither said by the model nor the result of a tool: (item, role).
BESIDE: list[tuple[dict[str, Any], str]] = [
    ({"type": "mcp_approval_response", "approval_request_id": "w", "approve": True}, "user"),
    ({"type": "compaction_trigger"}, "user"),
    ({"type": "configuration_update", "reasoning": {"effort": "low"}}, "developer"),
    ({"type": "additional_tools", "role": "system", "tools": TOOLS}, "system"),
    ({"type": "hologram"}, "user"),
]


@pytest.mark.parametrize(("item", "parts"), SAID, ids=lambda value: value["type"] if isinstance(value, dict) else "")
def test_what_the_model_says(item: dict[str, Any], parts: list[Part]) -> None:
    assert output_parts([item], lambda _position: 7) == ([], parts)
    (message,) = input_messages([item])
    assert message.role == "assistant"
    assert len(message.parts) == len(parts)


@pytest.mark.parametrize(("item", "part"), RESULTS, ids=lambda value: value["type"] if isinstance(value, dict) else "")
def test_results_of_tools(item: dict[str, Any], part: Part) -> None:
    assert list(input_messages([item])) == [Message("tool", (part,))]
    # In an answer they ran at the provider and belong to what it says.
    (repeated, said) = output_parts([item], lambda _position: None)
    assert repeated == []
    assert isinstance(said[0], ToolCallResponse)
    assert said[0].server_side


@pytest.mark.parametrize(("item", "role"), BESIDE)
def test_items_beside(item: dict[str, Any], role: str) -> None:
    assert list(input_messages([item])) == [Message(role, (Generic(str(item["type"]), item),))]


def test_every_kind_that_the_vendor_sdk_knows_is_tested() -> None:
    kinds = {item["type"] for items in (SAID, RESULTS, BESIDE) for item, *_ in items}
    sent = {_type_of(model) for model in typing.get_args(ResponseInputItemParam)}
    received = {_type_of(model) for model in typing.get_args(typing.get_args(ResponseItem)[0])}
    assert len(sent) > 25
    assert (sent | received) - kinds == {"item_reference"}


def _type_of(model: Any) -> str:
    """The literal that the SDK's model, or its typed dictionary, has for `type`."""
    fields = getattr(model, "model_fields", None)
    hint = fields["type"].annotation if fields else typing.get_type_hints(model)["type"]
    while not isinstance(hint, str):
        hint = next(argument for argument in typing.get_args(hint) if argument is not type(None))
    return hint


def test_items_of_the_model_are_one_message_until_somebody_else_speaks() -> None:
    call = {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"}
    result = {"type": "function_call_output", "call_id": "c", "output": "r"}
    thought = {"type": "reasoning", "summary": [{"type": "summary_text", "text": "t"}]}
    said = {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "x"}]}
    items = [{"role": "user", "content": "q"}, thought, said, call, call, result, result, {"type": "item_reference"}]
    assert [(message.role, len(message.parts)) for message in input_messages(items)] == [
        ("user", 1),
        ("assistant", 4),
        ("tool", 1),
        ("tool", 1),
        ("assistant", 1),
    ]


def test_roles_and_forms_of_messages() -> None:
    items = [
        {"role": "developer", "content": "d"},
        {"type": "message", "role": "system", "content": [{"type": "input_text", "text": "s"}]},
        {"role": "user", "content": [{"type": "input_image", "file_id": "f"}]},
        "bare",
        7,
    ]
    assert list(input_messages(items)) == [
        Message("developer", (Text("d"),)),
        Message("system", (Text("s"),)),
        Message("user", (Media("image", file_id="f"),)),
        Message("user", (Text("bare"),)),
        Message("user", (Generic("item", 7),)),
    ]
    assert list(input_messages("hello")) == [Message("user", (Text("hello"),))]
    empty: tuple[Any, ...] = ("", [], None, {"a": 1})
    assert [list(input_messages(items)) for items in empty] == [[], [], [], []]


_KINDS = st.sampled_from([item["type"] for item, _ in [*SAID, *RESULTS]])
_KEYS = st.sampled_from(sorted({key for item, _ in [*SAID, *RESULTS] for key in item}))
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3) | _KINDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_KEYS, inner, max_size=4),
    max_leaves=8,
)


@given(st.lists(st.builds(lambda kind, rest: {**rest, "type": kind}, _KINDS, st.dictionaries(_KEYS, _JSON)) | _JSON))
def test_any_json(items: list[Any]) -> None:
    list(input_messages(items))
    output_parts(items, lambda _position: None)
