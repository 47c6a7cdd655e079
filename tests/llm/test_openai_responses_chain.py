from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rig.exchanges import response_of
from rig.model_calls import inference_of
from rig.responses_calls import CALL, message, response, responses, text_part
from wirespan.counters import Counters
from wirespan.llm import Message, Text, ToolCall, ToolCallResponse
from wirespan.llm.openai_responses_chain import Chain, ResponseChains, with_chain

HELLO = {"type": "message", "role": "user", "content": "Weather in Paris?"}
RESULT = {"type": "function_call_output", "call_id": "call_1", "output": "5 °C"}
FINAL = message(text_part("It is cold."))


def answered(response_id: str, *output: Any) -> Any:
    return response("completed", list(output), id=response_id)


def three_calls(chains: ResponseChains) -> None:
    """A prewarming that brings the prompt, a call that brings nothing new, one that brings a result."""
    chains.remember({"model": "m", "input": [HELLO], "generate": False}, answered("resp_0"), 100)
    chains.remember({"model": "m", "input": [], "previous_response_id": "resp_0"}, answered("resp_1", CALL), 100)
    chains.remember({"input": [RESULT], "previous_response_id": "resp_1"}, answered("resp_2", FINAL), 100)


def test_the_whole_prompt_in_order() -> None:
    counters = Counters()
    chains = ResponseChains(counters)
    three_calls(chains)
    assert chains.follow({"previous_response_id": "resp_1"}) == Chain((HELLO, CALL), 2, True)
    assert chains.follow({"previous_response_id": "resp_2"}) == Chain((HELLO, CALL, RESULT, FINAL), 3, True)
    assert chains.follow({"input": "x"}) is None
    assert dict(counters.snapshot()) == {"llm.chains.followed": 2}


def test_an_unseen_beginning_is_said() -> None:
    counters = Counters()
    chains = ResponseChains(counters)
    chains.remember({"input": [RESULT], "previous_response_id": "resp_unseen"}, answered("resp_2", FINAL), 100)
    assert chains.follow({"previous_response_id": "resp_2"}) == Chain((RESULT, FINAL), 1, False)
    assert chains.follow({"previous_response_id": "resp_unseen"}) == Chain((), 0, False)
    assert dict(counters.snapshot()) == {"llm.chains.broken": 2}


def test_two_calls_may_follow_one_response() -> None:
    chains = ResponseChains(Counters())
    three_calls(chains)
    chains.remember({"input": "Or so?", "previous_response_id": "resp_1"}, answered("resp_2b", FINAL), 100)
    asked = {"type": "message", "role": "user", "content": "Or so?"}
    assert chains.follow({"previous_response_id": "resp_2b"}) == Chain((HELLO, CALL, asked, FINAL), 3, True)


def test_bounded_in_bytes_the_oldest_goes_first() -> None:
    counters = Counters()
    chains = ResponseChains(counters, max_bytes=250)
    three_calls(chains)
    assert counters["llm.chains.forgotten"] == 1
    assert chains.follow({"previous_response_id": "resp_2"}) == Chain((CALL, RESULT, FINAL), 2, False)
    chains.remember({"input": []}, answered("too_large"), 251)
    assert chains.follow({"previous_response_id": "too_large"}) == Chain((), 0, False)


def test_the_same_response_is_kept_once() -> None:
    chains = ResponseChains(Counters(), max_bytes=250)
    for _ in range(9):
        chains.remember({"input": [HELLO]}, answered("resp_0", CALL), 100)
    assert chains.follow({"previous_response_id": "resp_0"}) == Chain((HELLO, CALL), 1, True)


def test_a_prompt_is_bounded() -> None:
    chains = ResponseChains(Counters())
    for number in range(5):
        previous = {"previous_response_id": f"r{number - 1}"} if number else {}
        chains.remember({"input": [number], **previous}, answered(f"r{number}"), 3 << 20)
    assert chains.follow({"previous_response_id": "r4"}) == Chain((3, 4), 2, False)


def test_a_circle_ends() -> None:
    chains = ResponseChains(Counters())
    chains.remember({"input": ["a"], "previous_response_id": "b"}, answered("a"), 1)
    chains.remember({"input": ["b"], "previous_response_id": "a"}, answered("b"), 1)
    assert chains.follow({"previous_response_id": "b"}) == Chain(("a", "b"), 2, False)


def test_an_inference_with_its_chain() -> None:
    request = {"model": "m", "input": [RESULT]}
    inference = inference_of(responses(response_of(answered("resp_2", FINAL)), request))
    whole = with_chain(inference, Chain((HELLO, CALL), 2, True))
    assert whole.input_messages == (
        Message("user", (Text("Weather in Paris?"),)),
        Message("assistant", (ToolCall("call_1", "look", {"city": "Paris"}),)),
        Message("tool", (ToolCallResponse("call_1", "5 °C"),)),
    )
    assert whole.request_json == {
        **request,
        "input": [HELLO, CALL, RESULT],
        "wirespan_reconstructed_input": {"items": 2, "responses": 2, "whole": True},
    }
    assert whole.extra == {
        **inference.extra,
        "wirespan.request.input_reconstructed": True,
        "wirespan.request.input_reconstructed_responses": 2,
    }
    assert inference.request_json == request


def test_an_inference_whose_beginning_is_unknown() -> None:
    inference = inference_of(responses(response_of(answered("r")), {"model": "m", "input": "x"}))
    nothing = with_chain(inference, Chain((), 0, False))
    assert nothing.input_messages == inference.input_messages
    assert nothing.request_json == inference.request_json
    assert nothing.extra == {**inference.extra, "wirespan.request.input_incomplete": True}
    some = with_chain(inference, Chain((HELLO,), 1, False))
    assert some.extra["wirespan.request.input_incomplete"] is True
    assert some.extra["wirespan.request.input_reconstructed"] is True


@pytest.mark.parametrize("body", [{}, {"id": 7}, {"id": ""}])
def test_answers_without_an_id_are_not_kept(body: Any) -> None:
    chains = ResponseChains(Counters())
    chains.remember({"input": [HELLO]}, body, 9)
    assert chains.follow({"previous_response_id": "7"}) == Chain((), 0, False)


_IDS = st.sampled_from(["a", "b", "c", "d"])
_CALLS = st.lists(st.tuples(_IDS, st.none() | _IDS, st.integers(0, 60)), max_size=12)


@given(_CALLS, _IDS)
def test_any_calls_stay_within_the_bound(calls: list[tuple[str, str | None, int]], last: str) -> None:
    chains = ResponseChains(Counters(), max_bytes=100)
    kept: dict[str, int] = {}
    for response_id, previous_id, size_bytes in calls:
        request = {"input": [response_id], "previous_response_id": previous_id}
        chains.remember(request, answered(response_id), size_bytes)
        kept[response_id] = size_bytes
    chain = chains.follow({"previous_response_id": last})
    assert chain is not None
    assert len(set(chain.items)) == chain.responses
    assert sum(kept[item] for item in chain.items) <= 100
