"""WebSocket read passively (RFC 6455), with permessage-deflate (RFC 7692): whole messages of both directions.

Invariant: what a message lost is said with it; bytes that may be wrong are never handed on.
"""

from wirespan.http.websocket.conversation import WebSocketConversation
from wirespan.http.websocket.frames import begins_with_frames

__all__ = ["WebSocketConversation", "begins_with_frames"]
