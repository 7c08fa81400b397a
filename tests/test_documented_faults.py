"""What the services' own references say of their errors, and what each is to the person.

Sources: the error pages of each service, and the sentences that their users quote.
"""

from __future__ import annotations

import json
from typing import Any

import pytest
from fake_provider import FakeProvider, json_reply
from http_kit import access

from arawn.backends.http import HttpBackend, Limits
from arawn.errors import ServiceFault
from arawn.messages import Request, user
from arawn.wire import Target
from arawn.wire.faults import fault, from_payload

TARGET = Target("b", "custom", "the service", "http://x", "m")
FINAL = "final"
"""The quota is used up: to ask again is of no use."""
SHAPES = {
    "openai": lambda kind, said: {"error": {"message": said, "type": kind, "param": None, "code": kind}},
    "anthropic": lambda kind, said: {"type": "error", "error": {"type": kind, "message": said}},
    "google": lambda kind, said: {"error": {"code": 400, "message": said, "status": kind}},
    "bare": lambda kind, said: {"message": said},
    "text": lambda kind, said: {"error": said},
    "xai": lambda kind, said: {"code": kind, "error": said},
    "detail": lambda kind, said: {"detail": said},
}
DOCUMENTED = [  # shape, status, type or code, sentence, what it is
    ("openai", 429, "billing_not_active", "Your account is not active, please check your billing details", FINAL),
    ("openai", 400, "invalid_prompt", "Your prompt was flagged as potentially violating our usage policy", "policy"),
    ("openai", 404, "x", "This is not a chat model and thus not supported in v1/chat/completions", "model"),
    ("openai", 404, "x", "This model is only supported in v1/responses", "model"),
    ("openai", 429, "tokens", "Request too large for gpt-4o: Limit 30000, Requested 90000", "context"),
    ("openai", 400, "model_not_supported", "The requested model is not supported.", "model"),
    ("openai", 400, "model_max_prompt_tokens_exceeded", "prompt token count of 7 exceeds the limit of 6", "context"),
    ("openai", 400, "unavailable_model", "Unavailable model: o3", "model"),
    ("openai", 404, "model_not_available", "Unable to access model foo. Please visit the list", "model"),
    ("openai", 422, "x", "`inputs` tokens + `max_new_tokens` must be <= 8193. Given: 9000", "context"),
    ("openai", 401, "wrong_api_key", "Wrong API Key", "auth"),
    ("openai", 429, "token_quota_exceeded", "Tokens per day limit exceeded - too many tokens processed.", "again"),
    ("openai", 429, "queue_exceeded", "We're experiencing high traffic right now!", "again"),
    ("openai", 400, "x", "Invalid request: Your request exceeded model token limit: 8192", "context"),
    ("openai", 429, "exceeded_current_quota_error", "Your account is suspended, check your plan", FINAL),
    ("openai", 400, "1261", "Prompt exceeds max length", "context"),
    ("openai", 400, "1301", "System detected potentially unsafe or sensitive content in input", "policy"),
    ("openai", 400, "x", "InvalidParameter: Range of input length should be [1, 30720]", "context"),
    ("openai", 400, "data_inspection_failed", "Input data may contain inappropriate content.", "policy"),
    ("openai", 403, "Model.AccessDenied", "Model access denied.", "model"),
    ("openai", 400, "Arrearage", "Access denied, please make sure your account is in good standing.", FINAL),
    ("openai", 400, "400", "litellm.BadRequestError: ContextWindowExceededError: x", "context"),
    ("openai", 429, "budget_exceeded", "Budget has been exceeded! Current cost: 1, Max budget: 1", FINAL),
    ("openai", 498, "capacity_exceeded", "Flex tier capacity exceeded", "again"),
    ("openai", 400, "tool_use_failed", "Failed to call a function. Please adjust your prompt.", "refused"),
    ("openai", 402, "402", "This request requires more credits, or fewer max_tokens.", FINAL),
    ("openai", 403, "403", "x requires moderation. Your input was flagged for violence", "policy"),
    ("openai", 404, "404", "No endpoints found for foo/bar.", "model"),
    ("openai", 404, "404", "No allowed providers are available for the selected model.", "model"),
    ("anthropic", 402, "billing_error", "There's an issue with your billing", FINAL),
    ("anthropic", 400, "invalid_request_error", "input length and `max_tokens` exceed context limit", "context"),
    ("anthropic", 400, "invalid_request_error", "Output blocked by content filtering policy", "policy"),
    ("anthropic", 400, "invalid_request_error", "You have reached your specified API usage limits.", FINAL),
    ("anthropic", 400, "invalid_request_error", "max_tokens: 9 > 8, which is the maximum allowed", "refused"),
    ("anthropic", 429, "rate_limit_error", "This would exceed your rate limit of 40,000 tokens", "again"),
    ("google", 400, "INVALID_ARGUMENT", "API key expired. Please renew the API key.", "auth"),
    ("google", 400, "FAILED_PRECONDITION", "User location is not supported for the API use.", "refused"),
    ("bare", 429, "", "You are using a Trial key, which is limited to 1000 API calls / month.", FINAL),
    ("bare", 429, "", "You are using a Trial key, which is limited to 20 API calls / minute.", "again"),
    ("bare", 402, "", "Please add or update your payment method", FINAL),
    ("bare", 400, "", "too many tokens: size limit exceeded by 1000 tokens.", "context"),
    ("bare", 429, "", "Too many tokens, please wait before trying again.", "again"),
    ("bare", 400, "", "The provided model identifier is invalid.", "model"),
    ("bare", 403, "", "You don't have access to the model with the specified model ID.", "model"),
    ("bare", 403, "", "The security token included in the request is invalid.", "auth"),
    ("bare", 424, "", "Model error", "again"),
    ("bare", 400, "", "max tokens of 8000 exceeded", "context"),
    ("text", 402, "", "You have exceeded your monthly included credits for Inference Providers.", FINAL),
    ("text", 501, "", "This server does not support embeddings.", "refused"),
    ("xai", 400, "x", "This model's maximum prompt length is 7 but the request contains 9 tokens.", "context"),
    ("xai", 429, "x", "Your team has either used all available credits or reached its spending limit.", FINAL),
    ("xai", 429, "x", "Too many requests for team x and model y.", "again"),
    ("xai", 403, "x", "Content violates usage guidelines. Failed check: SAFETY_CHECK_TYPE_BIO", "policy"),
    ("detail", 404, "", "Function 'x': Not found for account 'y'", "model"),
    ("detail", 522, "", "error code: 522", "again"),
]  # fmt: skip
BEGUN = [  # in a reply that began as a success: no status tells whose fault it is
    ("anthropic", "api_error", "Internal server error", "overloaded"),
    ("anthropic", "timeout_error", "Request timed out", "timeout"),
    ("anthropic", "overloaded_error", "Overloaded", "overloaded"),
    ("anthropic", "rate_limit_error", "x", "rate_limited"),
    ("anthropic", "permission_error", "x", "auth"),
    ("anthropic", "invalid_request_error", "messages: wrong", "refused"),
    ("openai", "server_error", "The server had an error while processing your request.", "overloaded"),
    ("openai", "internal_server_error", "x", "overloaded"),
    ("openai", "rate_limit_exceeded", "x", "rate_limited"),
    ("openai", "context_length_exceeded", "x", "context"),
    ("openai", "invalid_prompt", "x", "refused"),
    ("text", "", "an error was encountered while running the model: CUDA error", "overloaded"),
    ("text", "", "unexpected EOF", "overloaded"),
    ("text", "", "Request failed during generation: Server error", "overloaded"),
    ("text", "", "Unauthorized", "auth"),
    ("bare", "", "Internal Server Error", "overloaded"),
    ("bare", "", "messages must not be empty", "refused"),
]


def what(made: Any) -> str:
    if "quota" in made.sentence:
        return "again" if made.retryable else FINAL
    if "content policy" in made.sentence:
        return "policy"
    return "again" if made.retryable else made.code


@pytest.mark.parametrize(("shape", "status", "kind", "said", "want"), DOCUMENTED)
def test_an_error_is_what_its_reference_says(
    shape: str, status: int, kind: str, said: str, want: str
) -> None:
    made = fault(status, {}, json.dumps(SHAPES[shape](kind, said)).encode(), TARGET)
    assert (what(made), made.detail, made.status) == (want, said, status)


@pytest.mark.parametrize(("shape", "kind", "said", "want"), BEGUN)
def test_F_STREAM_06_an_error_in_a_reply_is_of_its_class(shape: str, kind: str, said: str, want: str) -> None:
    made = from_payload(SHAPES[shape](kind, said), TARGET)
    assert (made.code, made.detail) == (want, said)
    assert made.retryable == (want in ("overloaded", "timeout", "rate_limited"))


def test_an_error_in_the_form_of_a_stream_or_behind_a_bom() -> None:
    error = json.dumps(SHAPES["openai"]("x", "too many tokens")).encode()
    for body in (
        b"event: error\ndata: " + error + b"\n\n",
        b"id:1\nevent:error\n:HTTP_STATUS/400\ndata:" + error,
        b": comment\r\n\r\ndata: " + error + b"\r\n\r\n",
        b"\xef\xbb\xbf" + error,
    ):
        made = fault(400, {}, body, TARGET)
        assert (made.detail, made.code) == ("too many tokens", "context")
    for text in ("data: ", ": ", "id: 7", "event: error\ndata: it broke"):
        assert fault(500, {}, text.encode(), TARGET).detail == " ".join(text.split())


def test_a_service_that_counts_no_streams_can_be_asked_without_one() -> None:
    said = SHAPES["openai"]("x", "Unrecognized request argument supplied: stream_options")
    assert fault(400, {}, json.dumps(said).encode(), TARGET).hints == ("stream = false under [backends.b]",)


def test_messages_and_words_that_stand_elsewhere() -> None:
    assert fault(403, {}, b'{"Message": "User is not authorized"}', TARGET).detail == "User is not authorized"
    listed = {"success": False, "errors": [{"code": 10000, "message": "Authentication error"}]}
    assert fault(401, {}, json.dumps(listed).encode(), TARGET).detail == "Authentication error"
    error = {"code": 400, "message": "no", "details": [{"reason": "API_KEY_INVALID"}]}
    assert fault(400, {}, json.dumps({"error": error}).encode(), TARGET).code == "auth"


@pytest.mark.parametrize(
    ("status", "said", "told"),
    [(403, "Forbidden", True), (400, "API key not valid.", True), (403, "Your input was flagged", False)],
)
def test_where_the_key_comes_from_is_told_where_it_is_the_key(status: int, said: str, told: bool) -> None:
    with FakeProvider(json_reply(status, {"error": {"message": said}})) as fake:
        backend = HttpBackend(TARGET._replace(base_url=fake.url), "openai", access(), Limits())
        with pytest.raises(ServiceFault) as caught:
            list(backend.stream(Request((user("hi"),))))
        backend.close()
    assert ("the key comes from $env:KEY" in caught.value.hints) == told
