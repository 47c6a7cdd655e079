"""gen_ai.provider.name from the host that was called.

Names are those of the GenAI semantic conventions where they have one; the others are our own, as allowed there.
"""

from __future__ import annotations

_BY_DOMAIN = {
    "anthropic.com": "anthropic",
    "openai.com": "openai",
    "chatgpt.com": "openai",
    "openai.azure.com": "azure.ai.openai",
    "cognitiveservices.azure.com": "azure.ai.openai",
    "services.ai.azure.com": "azure.ai.inference",
    "models.ai.azure.com": "azure.ai.inference",
    "inference.ai.azure.com": "azure.ai.inference",
    "generativelanguage.googleapis.com": "gcp.gemini",
    "cloudcode-pa.googleapis.com": "gcp.gen_ai",
    "mistral.ai": "mistral_ai",
    "cohere.com": "cohere",
    "cohere.ai": "cohere",
    "groq.com": "groq",
    "deepseek.com": "deepseek",
    "x.ai": "x_ai",
    "perplexity.ai": "perplexity",
    "moonshot.ai": "moonshot_ai",
    "moonshot.cn": "moonshot_ai",
    "ml.cloud.ibm.com": "ibm.watsonx.ai",
    "openrouter.ai": "openrouter",
    "githubcopilot.com": "github_copilot",
    "models.github.ai": "github_models",
    "together.xyz": "together_ai",
    "together.ai": "together_ai",
    "fireworks.ai": "fireworks_ai",
    "cerebras.ai": "cerebras",
    "integrate.api.nvidia.com": "nvidia",
    "router.huggingface.co": "huggingface",
    "ollama.com": "ollama",
}


def provider_name(authority: str, path: str, family: str) -> str:
    """The provider behind `authority` (host[:port]), else `family`, the one whose API is spoken there."""
    host = host_of(authority)
    if host.endswith("services.ai.azure.com") and "/openai/" in path:
        return "azure.ai.openai"
    labels = host.split(".")
    for count in range(2, 5):  # as many labels as the longest domain above has
        name = _BY_DOMAIN.get(".".join(labels[-count:]))
        if name is not None:
            return name
    if host.endswith("aiplatform.googleapis.com"):  # also <region>-aiplatform.googleapis.com
        return "gcp.vertex_ai"
    if labels[0].startswith("bedrock-runtime") and ".amazonaws.com" in host:
        return "aws.bedrock"
    return family


def host_of(authority: str) -> str:
    """The host of host[:port] in lower case, an IPv6 address without its brackets."""
    if authority.startswith("["):
        return authority[1:].partition("]")[0].lower()
    host = authority.rpartition(":")[0] if authority.count(":") == 1 else authority
    return host.rstrip(".").lower()
