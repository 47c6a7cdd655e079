"""One model call as it stands on the wire, request and answer, and what a reader should find in it."""

from __future__ import annotations

PROMPT, REPLY = "How far is the moon?", "Far."
MODEL, RESPONSE_ID = "gpt-4o-mini", "chatcmpl-7"
INPUT_TOKENS, OUTPUT_TOKENS = 12, 2


def message(first_line: bytes, body: bytes) -> bytes:
    """An HTTP/1.1 message with a JSON body."""
    head = b"%s\r\nHost: api.example.com\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
    return head % (first_line, len(body)) + body


QUESTION = message(
    b"POST /v1/chat/completions HTTP/1.1",
    b'{"model":"gpt-4o-mini","messages":[{"role":"user","content":"How far is the moon?"}]}',
)
ANSWER = message(
    b"HTTP/1.1 200 OK",
    b'{"id":"chatcmpl-7","object":"chat.completion","model":"gpt-4o-mini-2024","choices":[{"index":0,'
    b'"finish_reason":"stop","message":{"role":"assistant","content":"Far."}}],'
    b'"usage":{"prompt_tokens":12,"completion_tokens":2,"total_tokens":14}}',
)
