"""wirespan: what the agents, SDKs and frameworks on this host really send to LLMs, and what comes back.

The rooms, in the order data flows: processes, locate, capture, streams, http, llm, agents, spans.
A room imports only the doors (`__init__`) of rooms before it; `pipeline` alone knows every room.
"""

__version__ = "0.1.0"
