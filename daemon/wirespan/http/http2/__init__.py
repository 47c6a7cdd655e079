"""HTTP/2 read passively (RFC 9113): frames and header blocks per direction, one exchange a stream.

Invariant: what a hole took away stays visibly missing. No header value is ever guessed from a table that may be wrong.
"""

from wirespan.http.http2.conversation import Http2Conversation
from wirespan.http.http2.frames import begins_with_frames

__all__ = ["Http2Conversation", "begins_with_frames"]
