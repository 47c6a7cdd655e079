from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rig import inferences
from rig.mlflow_ui import shows_tool
from wirespan_exporters.mlflow_tools import chat_tools

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
PROPERTY = JSON | st.fixed_dictionaries({}, optional={"type": JSON, "description": JSON, "enum": JSON, "anyOf": JSON})
SCHEMA = JSON | st.fixed_dictionaries(
    {}, optional={"type": JSON, "required": JSON, "properties": JSON | st.dictionaries(st.text(max_size=4), PROPERTY)}
)
FUNCTION = JSON | st.fixed_dictionaries({}, optional={"name": JSON, "description": JSON, "parameters": SCHEMA})
TOOL = st.dictionaries(st.text(max_size=4), JSON, max_size=2) | st.fixed_dictionaries(
    {},
    optional={
        "type": st.sampled_from(["function", "custom", "web_search"]) | JSON,
        "function": FUNCTION,
        "name": JSON,
        "description": JSON,
        "input_schema": SCHEMA,
        "parameters": SCHEMA,
    },
)


@given(st.lists(TOOL, min_size=1, max_size=4))
def test_any_list_of_tools_can_be_shown(tools: list[Any]) -> None:
    made = chat_tools(tools)
    assert made is not None
    assert len(made) == len(tools)
    for tool in made:
        assert shows_tool(tool), tool


def test_an_openai_tool_stays_as_it_is_but_for_what_hides_the_panel() -> None:
    [tool] = chat_tools(inferences.OPENAI_REQUEST["tools"]) or []
    parameters = tool["function"].pop("parameters")
    assert tool == {"type": "function", "function": {"name": "get_weather", "description": "Current weather"}}
    assert parameters == {
        "type": "object",
        "properties": {
            "city": {"type": "string", "description": "City name"},
            "unit": {"enum": ["c", "f", None], "anyOf": [{"type": "string"}, {"type": "null"}]},
        },
        "required": ["city"],
    }


def test_anthropic_tools_and_those_that_run_at_the_provider() -> None:
    assert chat_tools(inferences.ANTHROPIC_REQUEST["tools"]) == [
        {
            "type": "function",
            "function": {
                "name": "read_file",
                "description": "Read a file",
                "parameters": inferences.ANTHROPIC_REQUEST["tools"][0]["input_schema"],
            },
            "cache_control": {"type": "ephemeral"},
        },
        {"type": "function", "function": {"name": "web_search"}, "wire_type": "web_search_20250305", "max_uses": 3},
    ]


def test_a_schema_with_both_kinds_of_choice_means_the_same() -> None:
    schema = {"type": "object", "properties": {"a": {"type": ["string", "null"], "anyOf": [{"maxLength": 3}]}}}
    [tool] = chat_tools([{"name": "f", "input_schema": schema}]) or []
    assert tool["function"]["parameters"]["properties"]["a"] == {
        "anyOf": [{"type": "string"}, {"type": "null"}],
        "allOf": [{"anyOf": [{"maxLength": 3}]}],
    }


@pytest.mark.parametrize("tools", [None, [], {}, "x", [1], [{"name": "f"}, None]])
def test_what_is_no_list_of_tools(tools: Any) -> None:
    assert chat_tools(tools) is None
