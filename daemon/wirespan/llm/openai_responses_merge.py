"""Events of a streamed OpenAI response, assembled into the unstreamed one.

https://platform.openai.com/docs/api-reference/responses-streaming. Invariant: what the terminal event carries stands;
where its output is missing (cut streams; back ends that leave it out) the items stand as the vendor's SDK accumulates
them. Linear in the events.
"""

from __future__ import annotations

from wirespan.llm.api import Place, Step
from wirespan.llm.fields import JsonObject, integer, is_object, mapping, objects, sequence, string
from wirespan.llm.inference import Json
from wirespan.llm.openai_responses_streamed_item import GROWTHS, StreamedItem

_DONE = "[DONE]"
_TERMINAL = frozenset(
    ("response.completed", "response.incomplete", "response.failed", "response.cancelled", "response.done")
)
_LIFECYCLE = _TERMINAL | {"response.created", "response.queued", "response.in_progress"}
# codex.rate_limits: ChatGPT's Codex back end, about the account.
_KEEPALIVES = frozenset(("keepalive", "ping", "response.heartbeat", "codex.rate_limits"))
_PARTS = {
    "response.content_part": ("content", "content_index"),
    "response.reasoning_summary_part": ("summary", "summary_index"),
}
# The ends of event names that only tell how far a hosted tool is.
_STATES = frozenset(
    ("in_progress", "searching", "completed", "failed", "interpreting", "generating", "compacting", "incomplete")
)


class ResponsesMerge:
    def __init__(self) -> None:
        self._response: JsonObject = {}
        self._items: dict[int, StreamedItem] = {}
        self._index_of_id: dict[str, int] = {}
        self._latest = -1
        self._other_events: list[Json] = []
        self._error: Json = None
        self._ended = False
        self._item_ends: list[int | None] = []

    @property
    def finished(self) -> bool:
        return self._ended

    @property
    def error(self) -> Json:
        return self._error

    def add(self, event: str | None, data: Json, time_ns: int) -> Step:
        if data == _DONE:
            self._ended = True
            return Step.END
        if not is_object(data):
            return Step.UNKNOWN
        kind = string(data, "type") or event or ""
        if kind in _KEEPALIVES:
            return Step.KEEPALIVE
        if kind == "error" or (not kind and data.get("error")):
            self._error = data
            return Step.PROGRESS
        if kind in _LIFECYCLE and is_object(data.get("response")):
            return self._take_response(data["response"], kind in _TERMINAL)
        if data.get("object") == "response" and isinstance(data.get("output"), list):
            return self._take_response(data, is_terminal=True)  # a gateway that puts the whole answer into one event
        return self._add_to_item(kind, data, time_ns) if kind.startswith("response.") else Step.UNKNOWN

    def answer(self) -> JsonObject | None:
        if not self._response and not self._items:
            return None
        answer = {"object": "response", **self._response}
        said = sequence(self._response, "output")
        if said:
            self._item_ends = [self._end_of(position, item) for position, item in enumerate(said)]
            return answer
        indexes = sorted(self._items)
        answer["output"] = [self._items[index].assembled() for index in indexes]
        self._item_ends = [self._items[index].end_ns for index in indexes]
        if self._other_events:
            answer["unknown_events"] = self._other_events
        return answer

    def block_end(self, place: Place) -> int | None:
        return self._item_ends[place[1]] if place[1] < len(self._item_ends) else None

    def _take_response(self, response: JsonObject, is_terminal: bool) -> Step:
        self._response = {**self._response, **response}
        self._ended = self._ended or is_terminal
        return Step.END if is_terminal else Step.PROGRESS

    def _end_of(self, position: int, item: Json) -> int | None:
        """Of an item of the terminal event, which may be numbered otherwise than in the events before."""
        item_id = string(item, "id")
        index = self._index_of_id.get(item_id, position) if item_id is not None else position
        streamed = self._items.get(index)
        return streamed.end_ns if streamed is not None else None

    def _add_to_item(self, kind: str, data: JsonObject, time_ns: int) -> Step:
        base, _, verb = kind.rpartition(".")
        if kind == "response.output_item.added":
            return self._begin_item(data)
        if kind == "response.output_item.done":
            return self._finish_item(data, time_ns)
        growth = GROWTHS.get(base)
        if growth is not None and verb in ("delta", "done"):
            item = self._item(data, growth.item)
            index = integer(data, "summary_index" if growth.array == "summary" else "content_index") or 0
            if verb == "delta":
                item.grow(growth, index, data.get("delta"))
                return Step.CONTENT if data.get("delta") else Step.PROGRESS
            item.complete(growth, index, data.get(growth.field))
            return Step.PROGRESS
        if base in _PARTS and verb in ("added", "done"):
            array, index_key = _PARTS[base]
            item = self._item(data, "message" if array == "content" else "reasoning")
            item.put_part(array, integer(data, index_key) or 0, mapping(data, "part"))
            return Step.PROGRESS
        return self._add_rarely_seen(base, verb, data)

    def _add_rarely_seen(self, base: str, verb: str, data: JsonObject) -> Step:
        if base == "response.output_text.annotation":
            self._item(data, "message").annotate(integer(data, "content_index") or 0, data.get("annotation"))
        elif base == "response.shell_call_command":
            text = data.get("delta" if verb == "delta" else "command")
            self._item(data, "shell_call").add_command(integer(data, "command_index") or 0, verb, text)
        elif base == "response.shell_call_output_content":
            if verb == "delta":  # done says the same again
                item = self._item(data, "shell_call_output")
                item.add_command_output(integer(data, "command_index") or 0, mapping(data, "delta"))
        elif verb == "partial_image":
            return Step.CONTENT  # a preview; the picture itself comes with the item
        elif verb not in _STATES:
            self._other_events.append(data)
            return Step.PROGRESS
        else:
            return Step.PROGRESS
        return Step.CONTENT

    def _begin_item(self, data: JsonObject) -> Step:
        start = mapping(data, "item")
        item = self._item(data, "", string(start, "id"), opens=True)
        item.begin(start)
        if _shows_something(start):
            item.has_content = True
            return Step.CONTENT
        return Step.PROGRESS

    def _finish_item(self, data: JsonObject, time_ns: int) -> Step:
        done = mapping(data, "item")
        item = self._item(data, "", string(done, "id"))
        shown_before = item.has_content
        item.finish(done, time_ns)
        return Step.CONTENT if not shown_before and _shows_something(done) else Step.PROGRESS

    def _item(self, data: JsonObject, item_type: str, item_id: str | None = None, opens: bool = False) -> StreamedItem:
        """The item an event is about: by its index, else its id, else it is the latest one, or a new one."""
        item_id = item_id or string(data, "item_id")
        index = integer(data, "output_index")
        if index is None and item_id is not None:
            index = self._index_of_id.get(item_id)
        if index is None:
            index = max(self._latest + opens, 0)
        if item_id is not None:
            self._index_of_id.setdefault(item_id, index)
        self._latest = max(self._latest, index)
        item = self._items.get(index)
        if item is None:
            item = self._items[index] = StreamedItem({"type": item_type})
        return item


def _shows_something(item: JsonObject) -> bool:
    """Calls show their name at once; what is said and thought begins empty, and thoughts may stay so."""
    if item.get("type") not in ("message", "reasoning"):
        return bool(item)
    texts = (part for key in ("content", "summary") for part in objects(sequence(item, key)))
    return any(string(part, "text") or string(part, "refusal") for part in texts)
