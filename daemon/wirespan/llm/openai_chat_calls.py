"""The tool calls of a streamed choice, told apart even where servers break the protocol.

By index and id; a different id under a known index is another call (servers that always send index 0); without index
the position in the array counts; servers that send neither send each call whole. Invariant: no two calls are merged
into one, and the work is linear in the fragments.
"""

from __future__ import annotations

import json

from wirespan.llm.fields import JsonObject, integer, is_object, mapping, string
from wirespan.llm.fragments import Fragments
from wirespan.llm.inference import Json
from wirespan.llm.json_text import loads


class StreamedCalls:
    """All calls of one choice, in the order of their indexes."""

    def __init__(self) -> None:
        self._by_slot: dict[int, StreamedCall] = {}
        self._slot_of_id: dict[str, int] = {}
        self._slot_of_index: dict[int, int] = {}
        self._free_slot = 0
        self._last: StreamedCall | None = None

    def add(self, deltas: list[Json], time_ns: int) -> None:
        for position, delta in enumerate(deltas):
            if not is_object(delta):
                continue
            index = integer(delta, "index")
            call = self._call_for(delta, position if index is None else index)
            if self._last is not None and self._last is not call:
                self._last.close(time_ns)  # the next one began
            self._last = call
            call.add(delta)

    def close(self, time_ns: int) -> None:
        for call in self._by_slot.values():
            call.close(time_ns)

    def in_order(self) -> list[StreamedCall]:
        return [self._by_slot[slot] for slot in sorted(self._by_slot)]

    def _call_for(self, delta: JsonObject, index: int) -> StreamedCall:
        call_id = string(delta, "id")
        slot = self._slot_of_id.get(call_id) if call_id is not None else None
        if slot is None:
            slot = self._slot_of_index.get(index, index)
            call = self._by_slot.get(slot)
            if call is not None and call.is_other_than(call_id, delta):
                slot = self._free_slot
        self._slot_of_index[index] = slot
        if call_id is not None:
            self._slot_of_id[call_id] = slot
        self._free_slot = max(self._free_slot, slot + 1)
        call = self._by_slot.get(slot)
        if call is None:
            call = self._by_slot[slot] = StreamedCall()
        return call


class StreamedCall:
    """One tool call (or legacy function_call) of which fragments arrive."""

    def __init__(self) -> None:
        self.end_ns: int | None = None
        self._id: str | None = None
        self._fields = Fragments()
        self._name: list[str] = []
        self._name_length = 0
        self._arguments: list[str] = []

    def close(self, time_ns: int) -> None:
        if self.end_ns is None:
            self.end_ns = time_ns

    def is_other_than(self, call_id: str | None, delta: JsonObject) -> bool:
        """Whether `delta` begins another call although its index names this one."""
        if call_id is not None:
            return self._id is not None and self._id != call_id
        name = string(mapping(delta, "function"), "name")
        if name is None or not self._arguments:
            return False
        # A name behind arguments: another call, or a server that repeats the name with every fragment. Where ids are
        # missing each call comes whole, so one fragment that parses tells them apart (and bounds the work).
        return not self._is_named(name) or (len(self._arguments) == 1 and _is_json(self._arguments[0]))

    def add(self, delta: JsonObject) -> None:
        self.end_ns = None  # fragments of parallel calls may alternate
        for key, value in delta.items():
            if key == "function" and is_object(value):
                self.add_function(value)
            elif key == "id":
                self._id = self._id or string(delta, "id")
            elif key != "index":
                self._fields.add(key, value)

    def add_function(self, function: JsonObject) -> None:
        name, arguments = string(function, "name"), function.get("arguments")
        if name is not None and not self._is_named(name):
            self._name.append(name)
            self._name_length += len(name)
        if arguments is not None and arguments != "":
            self._arguments.append(arguments if isinstance(arguments, str) else json.dumps(arguments))
        for key, value in function.items():
            if key not in ("name", "arguments"):
                self._fields.add(key, value)

    def assembled(self) -> JsonObject:
        call: JsonObject = {"id": self._id, "type": "function", **self._fields.assembled()}
        if not self._name and not self._arguments and "custom" in call:
            return call
        return {**call, "function": self.assembled_function()}

    def assembled_function(self) -> JsonObject:
        return {"name": "".join(self._name), "arguments": "".join(self._arguments)}

    def _is_named(self, name: str) -> bool:
        return len(name) == self._name_length and name == "".join(self._name)


def _is_json(text: str) -> bool:
    try:
        loads(text)
    except ValueError:
        return False
    return True
