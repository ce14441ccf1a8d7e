"""LangChain's standard tests of a chat model, for `ChatOpenAI` over either API."""

import pytest
from langchain_openai import ChatOpenAI
from langchain_tests.integration_tests import ChatModelIntegrationTests


class Standard(ChatModelIntegrationTests):
    """What both APIs can do."""

    over_responses: bool

    @property
    def chat_model_class(self):
        return ChatOpenAI

    @property
    def chat_model_params(self):
        streamed = {} if self.over_responses else {"stream_usage": True}
        return {"model": "gpt-5.5", "use_responses_api": self.over_responses, **streamed}

    @property
    def model_override_value(self):
        return "gpt-5.2-codex"

    @property
    def has_tool_calling(self):
        return True

    @property
    def has_tool_choice(self):
        return True

    @property
    def has_structured_output(self):
        return True

    @property
    def supports_json_mode(self):
        return True

    @property
    def supports_image_inputs(self):
        return True

    @property
    def supports_image_urls(self):
        return True

    @property
    def supports_pdf_inputs(self):
        return True

    @property
    def supports_audio_inputs(self):
        return not self.over_responses

    @property
    def supports_anthropic_inputs(self):
        return True

    @property
    def returns_usage_metadata(self):
        return True

    @property
    def supported_usage_metadata_details(self):
        details = ["reasoning_output", "cache_read_input"]
        return {"invoke": details, "stream": details}

    def _asked(self, prompt, stream):
        model = self.chat_model_class(**self.chat_model_params)
        if not stream:
            return model.invoke(prompt)
        first, *rest = model.stream(prompt)
        return sum(rest, first)

    def invoke_with_reasoning_output(self, *, stream=False):
        return self._asked("think first", stream)

    def invoke_with_cache_read_input(self, *, stream=False):
        return self._asked("hello", stream)


class TestChatCompletions(Standard):
    over_responses = False


class TestResponses(Standard):
    over_responses = True

    @property
    def supports_image_tool_message(self):
        return True

    @property
    def supports_pdf_tool_message(self):
        return True
