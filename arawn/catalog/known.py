"""What models can do, as their makers document it and no price list says; it names no price.

Sources: the model pages of platform.openai.com, docs.anthropic.com, ai.google.dev, docs.mistral.ai,
docs.cohere.com, api-docs.deepseek.com, docs.perplexity.ai, docs.x.ai, platform.moonshot.ai, docs.z.ai,
console.groq.com and ollama.com. What is not documented stands nowhere here: unknown is not the same as no.
"""

from __future__ import annotations

from functools import cache
from typing import NamedTuple


class Row(NamedTuple):
    """Facts of the models whose names fit one of `patterns`.

    `facts` go over the price table, `weak` only fill in what it does not have. A fact that is None is not
    known, whatever rows below say; nothing at all is said below a row that is `last`.
    """

    patterns: tuple[str, ...]
    facts: dict[str, bool | int | None]
    weak: dict[str, int]
    last: bool


TABLE = """
*embed*|all-minilm*|bge-*           ?vision ?audio ?pdf -tools ?schema -reasoning +embedding
*-ocr*|*moderation*|whisper*|tts-*|*transcribe*|*realtime*|*-live|*-live-*|*native-audio*|*computer-use*  !
*-tts|*-tts-*                       -vision -audio -pdf -tools !
gpt-4o*-audio*|gpt-audio*           -vision +audio -pdf +tools -schema -reasoning
gpt-4o-audio*|gpt-4o-mini-audio*    context=128000 output=16384 !
gpt-4o*-search*                     +schema -reasoning context=128000 output=16384 !
gpt-4o-2024-05-13                   -schema output=4096
gpt-4o*                             +vision -audio +pdf +tools +schema -reasoning context=128000 output=16384
gpt-4.1*                            +vision -audio +pdf +tools +schema -reasoning context=1047576 output=32768
gpt-4.5*                            +vision -audio +tools +schema -reasoning
gpt-4-turbo-preview*                -vision
gpt-4-turbo*                        +vision +tools -schema -reasoning output=4096
gpt-4-vision*|gpt-4-*-vision*       +vision -tools -schema -reasoning output=4096
gpt-4-*-preview                     output=4096
gpt-4|gpt-4-*                       -vision -audio -pdf +tools -schema -reasoning
gpt-3.5-turbo-instruct*             -vision -audio -pdf -tools -schema -reasoning
gpt-3.5*                            -vision -audio -pdf +tools -schema -reasoning output=4096
gpt-5*-image*|gpt-5-search*         !
gpt-5-chat*                         +vision -audio -reasoning context=128000 output=16384 !
gpt-5-pro*                          output=272000
gpt-5|gpt-5-*|gpt-5.[12]*           output=128000
gpt-5*                              +vision -audio +pdf +tools +schema +reasoning
gpt-oss*                            -vision -audio -pdf +tools +reasoning context~131072
o[1-9]-preview*                     -vision -audio -pdf -tools -schema +reasoning context=128000 output=32768
o1-mini*                            -vision -audio -pdf -tools -schema +reasoning context=128000 output=65536
o[34]*-deep-research*               +vision -audio +reasoning context=200000 output=100000 !
o3-mini*                            -vision -audio -pdf +tools +schema +reasoning context=200000 output=100000
o1|o1-*                             +vision -audio +tools +schema +reasoning context=200000 output=100000
o3|o3-*|o4-*                        +vision -audio +pdf +tools +schema +reasoning context=200000 output=100000
claude-2*|claude-v*|claude-instant*  -vision -audio -pdf -tools -schema -reasoning output=4096
claude-3[-.]5*                      +vision -audio +pdf +tools -schema -reasoning output=8192
claude-3[-.]7*                      +vision -audio +pdf +tools -schema +reasoning output=64000
claude-3*                           +vision -audio +tools -schema -reasoning output=4096
claude-sonnet-4|claude-sonnet-4@*|claude-sonnet-4-[02]*|claude-4-sonnet*  -schema output=64000 context~200000
claude-opus-4|claude-opus-4@*|claude-opus-4-[02]*|claude-4-opus*   -schema output=32000 context=200000
claude-opus-4[-.]1*|claude-4.1-opus*  context=200000 output=32000
claude-*-4[-.]5*|claude-4[-.]5-*    context~200000 output=64000
claude-*                            +vision -audio +pdf +tools +schema +reasoning
gemini-*-image*                     +vision -tools !
gemini-2.0*-thinking*               +reasoning !
gemini-1.5*                         +vision +audio +pdf +tools +schema -reasoning output=8192
gemini-2.0-flash-lite*              -reasoning
gemini-2.0*                         +vision +audio +pdf +tools +schema context=1048576 output=8192
gemini-2.5*|gemini-3*               +vision +audio +pdf +tools +schema +reasoning context=1048576 output=65536
gemma3:1b*|gemma3:270m*|gemma-3-1b*|gemma-3-270m*  -vision -audio -pdf
gemma3|gemma3:*|gemma-3-[1-9]*      +vision -audio -pdf
pixtral*                            +vision -audio +tools
voxtral*                            -vision +audio
magistral*                          -audio +tools +reasoning
codestral*                          -vision -audio -pdf +tools -reasoning
mistral-large*|mistral-medium*|mistral-small*|ministral-*|open-mistral-nemo*  -audio +tools +schema
devstral*                           -audio +tools
deepseek-chat*                      -vision -audio -pdf +tools -schema
deepseek:deepseek-chat              -reasoning context=128000 output=8192
deepseek:deepseek-reasoner          context=128000 output=65536
deepseek-reasoner*                  -vision -audio -pdf -schema +reasoning
deepseek-r1*                        -vision -audio -pdf +reasoning
sonar-deep*                         -audio -tools +reasoning !
sonar-reasoning*                    +vision -audio -tools +schema +reasoning
sonar|sonar-pro*                    +vision -audio -tools +schema -reasoning
llama-4*|llama4*                    +vision -audio +tools -reasoning
*llama*vision*                      +vision -audio
llama-3.[13]-[0-9]*b*|meta-llama-3.[13]-[0-9]*b*|llama-v3p[13]-[0-9]*b*  -vision -audio -pdf +tools -reasoning
llama3.[13]|llama3.[13]:*           -vision -audio -pdf +tools -reasoning
llama-3.[13]-[0-9]*b*|meta-llama-3.[13]-[0-9]*b*|llama3.[13]|llama3.[13]:*  context~131072
llama-3.2-[13]b*|llama3.2|llama3.2:*  -vision -audio -pdf -reasoning
llama3|llama3:*|llama3-[78]*        -vision -audio -pdf -reasoning
*llava*                             +vision -audio -pdf
*qwen*omni*                         +vision +audio
*qwen*-vl*|*qwen*vl:*|qwen*vl       +vision -audio
qwq*                                -vision -audio -pdf +reasoning
qwen3|qwen3:*|qwen3-[1-9]*|qwen-3-[1-9]*|qwen3-coder*  -vision -audio +tools
grok-4*non-reasoning*               -reasoning
grok-4*                             +vision -audio +tools +schema +reasoning
grok-code*                          -vision -audio +tools +schema +reasoning
grok-3-mini*                        -vision -audio -pdf +tools +schema +reasoning
grok-3*                             -vision -audio -pdf +tools +schema -reasoning
grok-2-vision*                      +vision -audio +tools
command-a-vision*                   +vision -audio -tools -reasoning context=128000 output=8000
command-a-reasoning*                -vision -audio -pdf +tools +reasoning context=256000
command-a-03*|command-a             -vision -audio -pdf +tools +schema -reasoning context=256000 output=8000
command-r*                          -vision -audio -pdf +tools +schema -reasoning context=128000 output=4000
*aya-vision*                        +vision -audio -tools
kimi-k2.5*                          +vision -audio +tools +reasoning
kimi-k2-thinking*                   -vision -audio +tools +reasoning
kimi-k2|kimi-k2-*                   -vision -audio +tools
moonshot-v1-*vision*                +vision -audio
moonshot-v1-*                       -vision -audio +tools
glm-4v*|glm-4.[0-9]v*               +vision -audio
glm-4.[567]*                        -vision -audio +tools +reasoning
glm-4|glm-4-*                       -vision -audio +tools
"""
"""Patterns of names; + what it can, - what it cannot, ? what is not known; limits in tokens, weak with `~`;
! where nothing below counts. A pattern with a colon may begin with a service. Of each fact the first row
that has it holds.
"""


@cache
def known() -> tuple[Row, ...]:
    """The rows of the table."""
    return tuple(_row(line) for line in TABLE.strip().splitlines())


def _row(line: str) -> Row:
    patterns, *words = line.split()
    row = Row(tuple(patterns.split("|")), {}, {}, "!" in words)
    for word in words:
        name, equals, number = word.partition("=")
        weak, tilde, size = word.partition("~")
        if tilde:
            row.weak[weak] = int(size)
        elif equals:
            row.facts[name] = int(number)
        elif word != "!":
            row.facts[word[1:]] = {"+": True, "-": False}.get(word[0])
    return row
