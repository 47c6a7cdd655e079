"""Every attribute name this product puts on a span, in one table.

The GenAI names are written out: the constants in opentelemetry-semantic-conventions 0.66b2 are all deprecated ("moved
to open-telemetry/semantic-conventions-genai") and lag behind, e.g. `cache_write` is still `cache_creation` there.
"""

from __future__ import annotations

from typing import Final

# GenAI semantic conventions (open-telemetry/semantic-conventions-genai, status: development)
OPERATION_NAME: Final = "gen_ai.operation.name"
PROVIDER_NAME: Final = "gen_ai.provider.name"
CONVERSATION_ID: Final = "gen_ai.conversation.id"
OUTPUT_TYPE: Final = "gen_ai.output.type"
REQUEST_MODEL: Final = "gen_ai.request.model"
REQUEST_MAX_TOKENS: Final = "gen_ai.request.max_tokens"
REQUEST_TEMPERATURE: Final = "gen_ai.request.temperature"
REQUEST_TOP_P: Final = "gen_ai.request.top_p"
REQUEST_TOP_K: Final = "gen_ai.request.top_k"
REQUEST_FREQUENCY_PENALTY: Final = "gen_ai.request.frequency_penalty"
REQUEST_PRESENCE_PENALTY: Final = "gen_ai.request.presence_penalty"
REQUEST_SEED: Final = "gen_ai.request.seed"
REQUEST_CHOICE_COUNT: Final = "gen_ai.request.choice.count"
REQUEST_STOP_SEQUENCES: Final = "gen_ai.request.stop_sequences"
REQUEST_REASONING_LEVEL: Final = "gen_ai.request.reasoning.level"
REQUEST_STREAM: Final = "gen_ai.request.stream"
RESPONSE_ID: Final = "gen_ai.response.id"
RESPONSE_MODEL: Final = "gen_ai.response.model"
RESPONSE_FINISH_REASONS: Final = "gen_ai.response.finish_reasons"
RESPONSE_TIME_TO_FIRST_CHUNK: Final = "gen_ai.response.time_to_first_chunk"  # seconds
USAGE_INPUT_TOKENS: Final = "gen_ai.usage.input_tokens"
USAGE_OUTPUT_TOKENS: Final = "gen_ai.usage.output_tokens"
USAGE_CACHE_READ_INPUT_TOKENS: Final = "gen_ai.usage.cache_read.input_tokens"
USAGE_CACHE_WRITE_INPUT_TOKENS: Final = "gen_ai.usage.cache_write.input_tokens"
USAGE_REASONING_OUTPUT_TOKENS: Final = "gen_ai.usage.reasoning.output_tokens"
INPUT_MESSAGES: Final = "gen_ai.input.messages"
OUTPUT_MESSAGES: Final = "gen_ai.output.messages"
SYSTEM_INSTRUCTIONS: Final = "gen_ai.system_instructions"
TOOL_DEFINITIONS: Final = "gen_ai.tool.definitions"

# General semantic conventions
SESSION_ID: Final = "session.id"
USER_ID: Final = "user.id"
ERROR_TYPE: Final = "error.type"
EXCEPTION_EVENT: Final = "exception"
EXCEPTION_TYPE: Final = "exception.type"
EXCEPTION_MESSAGE: Final = "exception.message"
HTTP_REQUEST_METHOD: Final = "http.request.method"
HTTP_REQUEST_RESEND_COUNT: Final = "http.request.resend_count"
HTTP_REQUEST_BODY_SIZE: Final = "http.request.body.size"
HTTP_RESPONSE_STATUS_CODE: Final = "http.response.status_code"
HTTP_RESPONSE_BODY_SIZE: Final = "http.response.body.size"
NETWORK_PROTOCOL_NAME: Final = "network.protocol.name"
NETWORK_PROTOCOL_VERSION: Final = "network.protocol.version"
SERVER_ADDRESS: Final = "server.address"
SERVER_PORT: Final = "server.port"
URL_PATH: Final = "url.path"
URL_SCHEME: Final = "url.scheme"
USER_AGENT_ORIGINAL: Final = "user_agent.original"

# Resource attributes
SERVICE_NAME: Final = "service.name"
HOST_NAME: Final = "host.name"
CONTAINER_ID: Final = "container.id"
PROCESS_PID: Final = "process.pid"
PROCESS_PARENT_PID: Final = "process.parent_pid"
PROCESS_EXECUTABLE_NAME: Final = "process.executable.name"
PROCESS_EXECUTABLE_PATH: Final = "process.executable.path"
PROCESS_COMMAND_ARGS: Final = "process.command_args"
PROCESS_OWNER: Final = "process.owner"
PROCESS_USER_ID: Final = "process.user.id"
PROCESS_WORKING_DIRECTORY: Final = "process.working_directory"
PROCESS_LINUX_CGROUP: Final = "process.linux.cgroup"

# Our own
API: Final = "wirespan.api"
OUTCOME: Final = "wirespan.outcome"
REQUEST_ID: Final = "wirespan.request_id"
RETRY_AFTER: Final = "wirespan.retry_after"  # seconds, as the provider asked
STREAM_EVENT_COUNT: Final = "wirespan.stream.event_count"
STREAM_LONGEST_PAUSE: Final = "wirespan.stream.longest_pause"  # seconds
CAPTURE_COMPLETE: Final = "wirespan.capture.complete"
CAPTURE_END: Final = "wirespan.capture.end"
CAPTURE_PROTOCOL: Final = "wirespan.capture.protocol"
CAPTURE_JOINED_MID_STREAM: Final = "wirespan.capture.joined_mid_stream"
CAPTURE_UNKNOWN_FIELDS: Final = "wirespan.capture.unknown_header_fields"
CAPTURE_GAP_BYTES: Final = "wirespan.capture.{side}.gap_bytes"
CAPTURE_GAP_COUNT: Final = "wirespan.capture.{side}.gap_count"
CAPTURE_TRUNCATED: Final = "wirespan.capture.{side}.truncated"
CAPTURE_DECODE_ERROR: Final = "wirespan.capture.{side}.decode_error"

# The carrier between this room and the exporters (wirespan_exporters/carrier.py names the same two)
REQUEST_BODY: Final = "wirespan.request.body"
RESPONSE_BODY: Final = "wirespan.response.body"
