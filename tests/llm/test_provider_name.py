from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wirespan.llm.provider_name import host_of, provider_name

CHAT = "/v1/chat/completions"


@pytest.mark.parametrize(
    ("authority", "path", "provider"),
    [
        ("api.openai.com", CHAT, "openai"),
        ("API.OpenAI.com:443", CHAT, "openai"),
        ("eu.api.openai.com", CHAT, "openai"),
        ("chatgpt.com", "/backend-api/codex/responses", "openai"),
        ("my-res.openai.azure.com", "/openai/deployments/d/chat/completions", "azure.ai.openai"),
        ("my-res.cognitiveservices.azure.com", "/openai/deployments/d/chat/completions", "azure.ai.openai"),
        ("my-res.services.ai.azure.com", "/openai/v1/chat/completions", "azure.ai.openai"),
        ("my-res.services.ai.azure.com", "/models/chat/completions", "azure.ai.inference"),
        ("models.inference.ai.azure.com", "/chat/completions", "azure.ai.inference"),
        ("api.anthropic.com", "/v1/messages", "anthropic"),
        ("generativelanguage.googleapis.com", "/v1beta/openai/chat/completions", "gcp.gemini"),
        ("us-central1-aiplatform.googleapis.com", "/v1/x", "gcp.vertex_ai"),
        ("aiplatform.googleapis.com", "/v1/x", "gcp.vertex_ai"),
        ("cloudcode-pa.googleapis.com", "/v1internal:generateContent", "gcp.gen_ai"),
        ("bedrock-runtime.eu-west-1.amazonaws.com", "/model/m/converse", "aws.bedrock"),
        ("bedrock-runtime-fips.us-east-1.amazonaws.com", "/model/m/converse", "aws.bedrock"),
        ("api.mistral.ai", CHAT, "mistral_ai"),
        ("codestral.mistral.ai", CHAT, "mistral_ai"),
        ("api.cohere.com", "/v2/chat", "cohere"),
        ("api.groq.com", "/openai/v1/chat/completions", "groq"),
        ("api.deepseek.com", "/chat/completions", "deepseek"),
        ("api.x.ai", CHAT, "x_ai"),
        ("api.perplexity.ai", "/chat/completions", "perplexity"),
        ("api.moonshot.cn", CHAT, "moonshot_ai"),
        ("us-south.ml.cloud.ibm.com", CHAT, "ibm.watsonx.ai"),
        ("openrouter.ai", "/api/v1/chat/completions", "openrouter"),
        ("api.business.githubcopilot.com", "/chat/completions", "github_copilot"),
        # Not theirs, though it looks so.
        ("api.openai.com.evil.example", CHAT, "family"),
        ("notopenai.com", CHAT, "family"),
        ("xx.ai", CHAT, "family"),
        # Gateways and local servers speak a family's API.
        ("localhost:11434", CHAT, "family"),
        ("[::1]:8000", CHAT, "family"),
        ("10.0.0.7", CHAT, "family"),
        ("", CHAT, "family"),
    ],
)
def test_provider_name(authority: str, path: str, provider: str) -> None:
    assert provider_name(authority, path, "family") == provider


@pytest.mark.parametrize(
    ("authority", "host"),
    [("A.example:443", "a.example"), ("a.example.", "a.example"), ("[::1]:80", "::1"), ("::1", "::1"), ("", "")],
)
def test_host_of(authority: str, host: str) -> None:
    assert host_of(authority) == host


@given(st.text())
def test_any_authority(authority: str) -> None:
    provider_name(authority, "/", "family")
