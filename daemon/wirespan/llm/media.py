"""Images, sound and files in message parts: described by size and hash, their bytes stay in the wire JSON."""

from __future__ import annotations

import base64
import hashlib
import re

from wirespan.llm.inference import Media

# RFC 2397: data:[<mediatype>][;base64],<data>
_DATA_URL = re.compile(r"data:([^;,]*)((?:;[^;,]*)*),", re.IGNORECASE)


def media_from_url(modality: str, url: str) -> Media:
    """A data URL described by its content, any other URL by itself."""
    match = _DATA_URL.match(url)
    if match is None:
        return Media(modality, uri=url)
    mime_type = match[1].lower() or None
    data = url[match.end() :]
    if "base64" in match[2].lower():
        return media_from_base64(modality, data, mime_type)
    return media_from_text(modality, data, mime_type)


def media_from_base64(modality: str, data: str, mime_type: str | None = None, file_id: str | None = None) -> Media:
    """Size and hash of the decoded bytes; both None if `data` is no base64."""
    try:
        content = base64.b64decode(data, validate=True)
    except ValueError:
        try:
            content = base64.b64decode("".join(data.split()), validate=True)  # MIME breaks lines, RFC 2045
        except ValueError:  # also binascii.Error and a str that is not ASCII
            return Media(modality, mime_type, file_id=file_id)
    return Media(modality, mime_type, None, file_id, len(content), hashlib.sha256(content).hexdigest())


def media_from_text(modality: str, data: str, mime_type: str | None = None) -> Media:
    content = data.encode("utf-8", "surrogatepass")
    return Media(modality, mime_type, size_bytes=len(content), sha256=hashlib.sha256(content).hexdigest())
