"""What is a model call and what is not: a table of requests as real programs send them, half of them something else."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rig.exchanges import body_of, request_of
from wirespan.capture import VerdictKind
from wirespan.llm.detection import Found, Refused, detect, judge_head
from wirespan.llm.settings import LlmSettings

SETTINGS = LlmSettings(own_endpoints=("mlflow.internal:5000/otlp",))

USER = {"role": "user", "content": "hi"}
CHAT = {"model": "m", "messages": [USER]}
ANTHROPIC = {**CHAT, "max_tokens": 9}
VERSION = {"anthropic-version": "2023-06-01"}
OPENAI_TOOLS = {"tools": [{"type": "function", "function": {"name": "f", "parameters": {}}}], "stream": True}
ANTHROPIC_TOOLS = {"system": "s", "tools": [{"name": "f", "input_schema": {"type": "object"}}]}
RESPONSES = {"model": "m", "input": [{"role": "user", "content": "hi"}], "instructions": "s"}
GEMINI = {"contents": [{"parts": [{"text": "x"}]}]}
ABSOLUTE = "https://api.openai.com/v1/chat/completions"

WANTED, MUTED, LATER = VerdictKind.WANTED, VerdictKind.MUTED, None


@dataclass(frozen=True)
class Row:
    """`expected`: the api's name, or the counter of the refusal. `head`: the verdict on the head alone."""

    what: str
    path: str
    body: Any
    expected: str
    head: VerdictKind | None
    headers: dict[str, str] = field(default_factory=dict)
    method: str = "POST"
    authority: str = "api.example.com"


MODEL_CALLS = [
    Row("OpenAI", "/v1/chat/completions", CHAT, "openai.chat", WANTED),
    Row("absolute form through a proxy", ABSOLUTE, CHAT, "openai.chat", WANTED),
    Row("Azure", "/openai/deployments/gpt/chat/completions?api-version=1", {"messages": [USER]}, "openai.chat", WANTED),
    Row("OpenRouter", "/api/v1/chat/completions", CHAT, "openai.chat", WANTED),
    Row("Copilot, no version", "/chat/completions", {**CHAT, **OPENAI_TOOLS}, "openai.chat", WANTED),
    Row("Groq", "/openai/v1/chat/completions", CHAT, "openai.chat", WANTED),
    Row("MLflow gateway", "/gateway/mlflow/v1/chat/completions", CHAT, "openai.chat", WANTED),
    Row("trailing slash", "/v1/chat/completions/", CHAT, "openai.chat", WANTED),
    Row("Gemini's OpenAI side", "/v1beta/openai/chat/completions", CHAT, "openai.chat", WANTED),
    Row(
        "curl -d",
        "/v1/chat/completions",
        CHAT,
        "openai.chat",
        WANTED,
        {"content-type": "application/x-www-form-urlencoded"},
    ),
    Row("Anthropic", "/v1/messages", ANTHROPIC, "anthropic.messages", WANTED, VERSION),
    Row(
        "Anthropic beta",
        "/v1/messages?beta=true",
        {**ANTHROPIC, **ANTHROPIC_TOOLS},
        "anthropic.messages",
        WANTED,
        VERSION,
    ),
    Row("gateway, no version header", "/anthropic/v1/messages", ANTHROPIC, "anthropic.messages", WANTED),
    Row("gateway, bare path", "/llm/messages", {**ANTHROPIC, **ANTHROPIC_TOOLS}, "anthropic.messages", LATER),
    Row("bare path, minimal body", "/messages", ANTHROPIC, "anthropic.messages", LATER),
    Row("Anthropic, max_tokens forgotten", "/v1/messages", CHAT, "anthropic.messages", WANTED, VERSION),
    Row("Anthropic, cut body", "/v1/messages", b'{"model": "m", "mess', "anthropic.messages", WANTED, VERSION),
    Row("OpenAI, cut body", "/v1/chat/completions", b'{"model": "m", "mess', "openai.chat", WANTED),
    Row("OpenAI, body lost", "/v1/chat/completions", replace(body_of(b"\x1f"), content=None), "openai.chat", WANTED),
    Row("unknown path, OpenAI tools", "/invoke", {**CHAT, **OPENAI_TOOLS}, "openai.chat", LATER),
    Row("unknown path, plain", "/api/llm", CHAT, "openai.chat", LATER),
    Row("unknown path, Anthropic", "/ai/proxy", {**ANTHROPIC, **ANTHROPIC_TOOLS}, "anthropic.messages", LATER),
    Row("HTTP/2 joined late, target lost", "?", CHAT, "openai.chat", LATER),
    Row("HTTP/2 joined late, method lost", "/v1/chat/completions", CHAT, "openai.chat", WANTED, method="?"),
    Row("no content type", "/api/llm", CHAT, "openai.chat", LATER, {"content-type": ""}),
    Row("Responses", "/v1/responses", {"model": "m", "input": "hi"}, "openai.responses", WANTED),
    Row("Codex, ChatGPT login", "/backend-api/codex/responses", RESPONSES, "openai.responses", LATER),
    Row("Copilot, Responses without version", "/responses", RESPONSES, "openai.responses", LATER),
    Row("Azure Responses", "/openai/v1/responses?api-version=preview", RESPONSES, "openai.responses", WANTED),
    Row("a stored prompt", "/v1/responses", {"model": "m", "prompt": {"id": "p"}}, "openai.responses", WANTED),
    Row("compaction", "/v1/responses/compact", RESPONSES, "openai.responses", WANTED),
    Row("Responses, cut body", "/v1/responses", b'{"model": "m", "inp', "openai.responses", WANTED),
    Row("Gemini", "/v1beta/models/gemini-3:generateContent", {"contents": []}, "gemini", WANTED),
    Row("Gemini, streamed as an array", "/v1/models/gemini-3:streamGenerateContent", GEMINI, "gemini", WANTED),
    Row("Vertex", "/v1/projects/p/locations/l/publishers/google/models/g:generateContent", GEMINI, "gemini", WANTED),
    Row(
        "Vertex express", "/v1beta1/publishers/google/models/g:streamGenerateContent?alt=sse", GEMINI, "gemini", WANTED
    ),
    Row("Code Assist", "/v1internal:streamGenerateContent?alt=sse", {"request": {}}, "gemini", WANTED),
    Row("LiteLLM's Gemini side", "/gemini/v1beta/models/g:generateContent?key=REDACTED", GEMINI, "gemini", WANTED),
    Row("Gemini, cut body", "/v1beta/models/g:generateContent", b'{"contents": [{"pa', "gemini", WANTED),
    Row("Gemini behind a gateway", "/llm", GEMINI, "gemini", LATER),
    Row("Code Assist behind a gateway", "/llm", {"request": GEMINI}, "gemini", LATER),
    Row("completions", "/v1/completions", {"model": "m", "prompt": "x"}, "openai.completions", WANTED),
    Row("llama.cpp", "/completions", {"model": "m", "prompt": "x", "n_predict": 9}, "openai.completions", LATER),
    Row("embeddings", "/v1/embeddings", {"model": "m", "input": ["x"]}, "openai.embeddings", WANTED),
    Row("Azure embeddings", "/openai/deployments/e/embeddings", {"model": "m", "input": 1}, "openai.embeddings", LATER),
    Row("Ollama chat", "/api/chat", CHAT, "ollama.chat", LATER),
    Row("Ollama behind Open WebUI", "/ollama/api/chat", CHAT, "ollama.chat", LATER),
    Row("Ollama generate", "/api/generate", {"model": "m", "prompt": "x"}, "ollama.generate", LATER),
    Row("Ollama embed", "/api/embed", {"model": "m", "input": "x"}, "ollama.embed", LATER),
    Row("Ollama embeddings", "/api/embeddings", {"model": "m", "prompt": "x"}, "ollama.embed", LATER),
    Row("Ollama's OpenAI side", "/v1/chat/completions", {**CHAT, "keep_alive": 5}, "openai.chat", WANTED),
    Row("Ollama behind a gateway", "/llm", {**CHAT, "options": {}}, "ollama.chat", LATER),
    Row("Responses, unknown path", "/llm", {"model": "m", "input": "x", "store": False}, "openai.responses", LATER),
]
UNCOVERED = [
    Row("FIM", "/v1/fim/completions", {"model": "m", "prompt": "x"}, "uncovered.mistral.fim", WANTED),
    Row("Mistral agents", "/v1/agents/completions", {"agent_id": "a"}, "uncovered.mistral.agents", WANTED),
    Row("images", "/v1/images/generations", {"prompt": "x"}, "uncovered.openai.images", WANTED),
    Row(
        "audio upload",
        "/v1/audio/transcriptions",
        b"--x\r\nContent-Disposition: form-data; name=model\r\n\r\nwhisper-1\r\n--x--",
        "uncovered.openai.audio",
        WANTED,
        {"content-type": "multipart/form-data; boundary=x"},
    ),
    Row("moderations", "/v1/moderations", {"input": "x"}, "uncovered.openai.moderations", WANTED),
    Row("Gemini embeddings", "/v1/models/e:batchEmbedContents", {"requests": []}, "uncovered.gemini.embed", WANTED),
    Row("Interactions", "/v1beta/interactions", {"model": "m", "input": "x"}, "uncovered.gemini.interactions", LATER),
    Row(
        "Claude on Vertex",
        "/v1/projects/p/locations/l/publishers/anthropic/models/claude:streamRawPredict",
        {"anthropic_version": "vertex-2023-10-16", "messages": [USER]},
        "uncovered.vertex.anthropic",
        WANTED,
    ),
    Row(
        "Converse",
        "/model/anthropic.claude%3A0/converse-stream",
        {"messages": []},
        "uncovered.bedrock.converse",
        WANTED,
    ),
    Row("InvokeModel", "/model/meta.llama3/invoke", {"prompt": "x"}, "uncovered.bedrock.invoke", WANTED),
    Row("Cohere", "/v2/chat", CHAT, "uncovered.cohere.chat", LATER),
    Row("rerank", "/v2/rerank", {"model": "m", "query": "q", "documents": []}, "uncovered.cohere.rerank", LATER),
    Row("MCP", "/mcp", {"jsonrpc": "2.0", "id": 1, "method": "tools/call"}, "uncovered.mcp", LATER),
    Row("MCP on /messages", "/messages/?session_id=1", {"jsonrpc": "2.0", "method": "ping"}, "uncovered.mcp", LATER),
    Row(
        "Converse, unknown path",
        "/llm",
        {"messages": [{"role": "user", "content": [{"text": "x"}]}]},
        "uncovered.bedrock.converse",
        LATER,
    ),
]
SLACK = {"channel": "C1", "text": "hi", "role": "user", "content": "hi"}
SPANS = {"resourceSpans": [{"scopeSpans": [{"spans": [{"attributes": [{"key": "messages"}]}]}]}]}
LANGFUSE = {"batch": [{"type": "generation-create", "body": {"model": "m", "input": [USER]}}], "metadata": {}}
LANGSMITH = {"id": "1", "run_type": "llm", "inputs": {"messages": [USER]}, "name": "ChatOpenAI"}
STATSIG = {"events": [{"eventName": "prompt", "metadata": {"messages": [USER]}}], "statsigMetadata": {}}
OTHERS = [
    Row("chat product", "/api/v1/channels/1/messages", SLACK, "not_inference.shape", LATER),
    Row("Assistants API", "/v1/threads/thread_1/messages", USER, "not_inference.shape", LATER),
    Row("chat product with a list", "/rooms/1/messages", {"messages": [{"text": "a"}]}, "not_inference.shape", LATER),
    Row("mail service", "/v3/example.com/messages", {"from": "a", "to": "b"}, "not_inference.shape", LATER),
    Row("count_tokens", "/v1/messages/count_tokens?beta=true", CHAT, "not_inference.count_tokens", MUTED, VERSION),
    Row("Gemini countTokens", "/v1beta/models/g:countTokens", {"contents": []}, "not_inference.count_tokens", MUTED),
    Row("Responses input_tokens", "/v1/responses/input_tokens", RESPONSES, "not_inference.count_tokens", MUTED),
    Row("Codex' prewarm", "/v1/responses", {**RESPONSES, "generate": False}, "not_inference.prewarm", WANTED),
    Row(
        "prewarm of the prompt cache",
        "/v1/responses",
        {**RESPONSES, "prompt_cache_options": {"prewarm": True}},
        "not_inference.prewarm",
        WANTED,
    ),
    Row("cancel a response", "/v1/responses/resp_1/cancel", b"", "not_inference.unknown", LATER),
    Row("a stored response", "/v1/responses/resp_1", b"", "not_inference.method", MUTED, method="GET"),
    Row("Code Assist countTokens", "/v1internal:countTokens", {"request": GEMINI}, "not_inference.count_tokens", MUTED),
    Row("Code Assist quota", "/v1internal:retrieveUserQuota", {"project": "p"}, "not_inference.unknown", LATER),
    Row("Code Assist metrics", "/v1internal:recordCodeAssistMetrics", {"metrics": []}, "not_inference.unknown", LATER),
    Row("Code Assist start", "/v1internal:loadCodeAssist", {"metadata": {}}, "not_inference.unknown", LATER),
    Row("Gemini's cache", "/v1beta/cachedContents", {**GEMINI, "model": "models/g"}, "not_inference.cache", MUTED),
    Row("Gemini batch", "/v1beta/models/g:batchGenerateContent", {"batch": {}}, "not_inference.unknown", LATER),
    Row("message batches", "/v1/messages/batches", {"requests": []}, "not_inference.batch", MUTED, VERSION),
    Row("cancel a batch", "/v1/messages/batches/b1/cancel", b"", "not_inference.batch", MUTED, VERSION),
    Row("model list", "/v1/models", b"", "not_inference.method", MUTED, method="GET"),
    Row("models of Ollama", "/api/tags", b"", "not_inference.method", MUTED, method="GET"),
    Row("Ollama show", "/api/show", {"model": "m"}, "not_inference.unknown", LATER),
    Row("Ollama loads a model", "/api/generate", {"model": "m"}, "not_inference.model_load", LATER),
    Row("Ollama drops a model", "/api/chat", {"model": "m", "messages": []}, "not_inference.model_load", LATER),
    Row("Ollama embeds nothing", "/api/embed", {"model": "m", "input": []}, "not_inference.model_load", LATER),
    Row("Ollama create", "/api/create", {"model": "n", "from": "m", "system": "s"}, "not_inference.unknown", LATER),
    Row("Ollama web search", "/api/web_search", {"query": "q"}, "not_inference.unknown", LATER),
    Row("a web app's generator", "/api/generate", {"topic": "x"}, "not_inference.shape", LATER),
    Row("a vector store", "/api/v1/embeddings", {"ids": [1], "vectors": []}, "not_inference.shape", WANTED),
    Row("Ollama pull", "/api/pull", {"model": "m", "stream": True}, "not_inference.unknown", LATER),
    Row("hello of an agent", "/api/hello", b"", "not_inference.method", MUTED, method="HEAD"),
    Row("HTTP/2 joined late, a page", "?", b"", "not_inference.unknown", LATER, method="?"),
    Row("preflight", "/v1/chat/completions", b"", "not_inference.method", MUTED, method="OPTIONS"),
    Row("a stored completion", "/v1/chat/completions", b"", "not_inference.method", MUTED, method="GET"),
    Row(
        "OTLP protobuf",
        "/v1/traces",
        b"\n\x07resource",
        "not_inference.telemetry",
        MUTED,
        {"content-type": "application/x-protobuf"},
    ),
    Row("OTLP JSON", "/otel/v1/traces", SPANS, "not_inference.telemetry", MUTED),
    Row("OTLP logs", "/v1/logs", {"resourceLogs": [{"body": "messages"}]}, "not_inference.telemetry", MUTED),
    Row("OTLP JSON elsewhere", "/ingest", {**SPANS, "messages": []}, "not_inference.telemetry", LATER),
    Row("Langfuse", "/api/public/ingestion", {**LANGFUSE, "input": 1}, "not_inference.telemetry", LATER),
    Row("LangSmith", "/runs", {**LANGSMITH, "messages": [USER], "model": "m"}, "not_inference.telemetry", LATER),
    Row("LangSmith batch", "/runs/batch", {"post": [LANGSMITH], "patch": []}, "not_inference.unknown", LATER),
    Row(
        "Claude Code events",
        "/api/event_logging/batch",
        {**STATSIG, "model": "m"},
        "not_inference.telemetry",
        LATER,
        VERSION,
    ),
    Row("Statsig", "/v1/rgstr", STATSIG, "not_inference.telemetry", LATER),
    Row(
        "own exporter",
        "/otlp/v1/x",
        {**CHAT, **OPENAI_TOOLS},
        "not_inference.own_endpoint",
        MUTED,
        authority="MLflow.internal:5000",
    ),
    Row("form survey", "/forms/abc/responses", {"answers": []}, "not_inference.shape", LATER),
    Row(
        "survey upload",
        "/forms/abc/responses",
        b"--x--",
        "not_inference.unreadable_body",
        LATER,
        {"content-type": "multipart/form-data"},
    ),
    Row("autocompletion", "/search/completions", {"q": "x"}, "not_inference.shape", LATER),
    Row("a web app's own chat", "/api/chat", {"messages": [USER]}, "not_inference.shape", LATER),
    Row("MLflow", "/api/2.0/mlflow/runs/log-batch", {"run_id": "1", "metrics": []}, "not_inference.unknown", LATER),
    Row(
        "GraphQL",
        "/graphql",
        {"query": "{ messages { text } }", "variables": {"input": {}}},
        "not_inference.unknown",
        LATER,
    ),
    Row("upload", "/files", b"%PDF-1.7", "not_inference.unknown", MUTED, {"content-type": "application/octet-stream"}),
    Row(
        "gRPC-web",
        "/svc/Method",
        b"\0\0\0\0\1x",
        "not_inference.unknown",
        MUTED,
        {"content-type": "application/grpc-web"},
    ),
    Row(
        "login form",
        "/login",
        b"user=a&prompt=1",
        "not_inference.unknown",
        LATER,
        {"content-type": "application/x-www-form-urlencoded"},
    ),
    Row(
        "Elasticsearch bulk",
        "/_bulk",
        b'{"index":{}}\n{"messages":[1]}\n',
        "not_inference.unreadable_body",
        LATER,
        {"content-type": "application/x-ndjson"},
    ),
    Row("array", "/v1/chat/completions", [CHAT], "not_inference.shape", WANTED),
    Row("no messages", "/v1/chat/completions", {"model": "m"}, "not_inference.shape", WANTED),
    Row("S3 object", "/bucket/v1/chat/completions", b"...", "not_inference.method", MUTED, method="PUT"),
    Row("npm audit", "/-/npm/v1/security/advisories/bulk", {"lodash": ["4"]}, "not_inference.unknown", LATER),
    Row("feature flags", "/api/eval", {"attributes": {"model": "m"}}, "not_inference.unknown", LATER),
    Row("job queue", "/jobs", {"input": {"model": "m"}, "model": "x"}, "not_inference.unknown", LATER),
    Row("deep nesting", "/x", b'{"messages":' + b"[" * 5000, "not_inference.unreadable_body", LATER),
]
ROWS = MODEL_CALLS + UNCOVERED + OTHERS


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.what)
def test_detects(row: Row) -> None:
    request = request_of(row.body, row.path, row.method, row.headers)
    found = detect(request, row.authority, SETTINGS)
    assert (found.api.name if isinstance(found, Found) else found.count) == row.expected
    verdict, _format = judge_head(row.method, row.path, row.authority, request.headers, SETTINGS)
    assert verdict == row.head


def test_the_table_is_half_other_traffic() -> None:
    assert len(ROWS) >= 60
    assert len({row.what for row in ROWS}) == len(ROWS)
    assert abs(len(OTHERS) - len(ROWS) / 2) <= 6


@pytest.mark.parametrize(
    ("path", "headers", "sure"),
    [
        ("/v1/chat/completions", {}, True),
        ("/chat/completions", {}, True),
        ("/v1/messages", {}, True),
        ("/messages", {}, False),
        ("/messages", VERSION, True),
        ("/anything", {}, False),
    ],
)
def test_sure_only_where_the_path_or_the_vendor_header_is_proof(path: str, headers: dict[str, str], sure: bool) -> None:
    found = detect(request_of(ANTHROPIC, path, headers=headers), "host", SETTINGS)
    assert isinstance(found, Found)
    assert found.sure is sure


def test_what_asks_for_no_answer_can_still_be_read() -> None:
    refused = detect(request_of({**RESPONSES, "generate": False}, "/v1/responses"), "host", SETTINGS)
    assert isinstance(refused, Refused)
    assert refused.idle is not None
    assert refused.idle.api.name == "openai.responses"
    other = detect(request_of(RESPONSES, "/v1/responses/input_tokens"), "host", SETTINGS)
    assert isinstance(other, Refused)
    assert other.idle is None


@pytest.mark.parametrize(
    "headers", [{"upgrade": "websocket", "connection": "Upgrade"}, {"upgrade": "h2c"}], ids=["websocket", "h2c"]
)
def test_an_upgrade_is_left_undecided(headers: dict[str, str]) -> None:
    request = request_of(b"", "/v1/realtime", "GET", headers)
    verdict, row = judge_head("GET", "/v1/realtime", "api.openai.com", request.headers, SETTINGS)
    assert verdict is None
    assert row is not None
    assert row.name == "openai.realtime"


@given(st.binary(max_size=60), st.sampled_from(["/v1/chat/completions", "/messages", "/x", "/v1/responses", "/mcp"]))
def test_any_bytes_are_decided(content: bytes, path: str) -> None:
    assert isinstance(detect(request_of(content, path), "host", SETTINGS), Found | Refused)


_KEYS = ("model", "messages", "input", "prompt", "contents", "request", "jsonrpc", "method", "tools", "system", "batch")
_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["role", "parts", "type"]), inner),
    max_leaves=6,
)


@given(st.dictionaries(st.sampled_from(_KEYS), _VALUES), st.sampled_from(["/v1/messages", "/x", "/chat/completions"]))
def test_any_json_is_decided(body: Any, path: str) -> None:
    assert isinstance(detect(request_of(json.dumps(body).encode(), path), "host", SETTINGS), Found | Refused)
