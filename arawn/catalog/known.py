"""What models can do, as their makers document it and no price list says; of each fact the first row holds.

Sources: the model pages of platform.openai.com, docs.anthropic.com, ai.google.dev, docs.mistral.ai,
docs.cohere.com, api-docs.deepseek.com, docs.perplexity.ai, docs.x.ai, console.groq.com and ollama.com. What
is not documented stands nowhere here: unknown is not the same as no.
"""

from __future__ import annotations

from collections.abc import Iterator

Row = tuple[str, dict[str, bool | int]]

TABLE = """
*embed*                -vision -audio -pdf -tools -reasoning +embedding
all-minilm*            -vision -audio -pdf -tools -reasoning +embedding
bge-*                  -vision -audio -pdf -tools -reasoning +embedding
gpt-4o-audio*          +audio +tools context=128000 output=16384
gpt-4o*                +vision -audio +pdf +tools +schema -reasoning context=128000 output=16384
gpt-4.1*               +vision -audio +pdf +tools +schema -reasoning context=1047576 output=32768
gpt-4-turbo*           +vision +tools -schema -reasoning output=4096
gpt-4*                 -vision -audio -pdf +tools -schema -reasoning
gpt-3.5*               -vision -audio -pdf +tools -schema -reasoning output=4096
gpt-5-chat*            +vision -reasoning
gpt-5*                 +vision -audio +pdf +tools +schema +reasoning
gpt-oss*               -vision -audio -pdf +tools +reasoning context=131072
o1-mini*               -vision -audio -pdf -tools -schema +reasoning output=65536
o3-mini*               -vision -audio -pdf +tools +schema +reasoning context=200000 output=100000
o1*                    +vision -audio +tools +schema +reasoning output=100000
o3*                    +vision -audio +pdf +tools +schema +reasoning context=200000 output=100000
o4*                    +vision -audio +pdf +tools +schema +reasoning context=200000 output=100000
claude-3-haiku*        +vision -audio +tools -schema -reasoning output=4096
claude-3-5*            +vision -audio +pdf +tools -schema -reasoning output=8192
claude-3-7*            +vision -audio +pdf +tools -schema +reasoning output=64000
claude-3*              +vision -audio +tools -schema -reasoning output=4096
claude-sonnet-4-2*     +vision -audio +pdf +tools -schema +reasoning context=200000 output=64000
claude-sonnet-4-0*     +vision -audio +pdf +tools -schema +reasoning context=200000 output=64000
claude-opus-4-2*       +vision -audio +pdf +tools -schema +reasoning context=200000 output=32000
claude-opus-4-0*       +vision -audio +pdf +tools -schema +reasoning context=200000 output=32000
claude-opus-4-1*       context=200000 output=32000
claude-*-4-5*          context=200000 output=64000
claude-*               +vision -audio +pdf +tools +schema +reasoning
gemini-1.5*            +vision +audio +pdf +tools +schema -reasoning output=8192
gemini-2.0*            +vision +audio +pdf +tools +schema -reasoning context=1048576 output=8192
gemini-2.5*-image*     +vision -tools
gemini-2.5*-tts*       -vision -audio -pdf -tools
gemini-2.5*            +vision +audio +pdf +tools +schema +reasoning context=1048576 output=65536
gemini-3*              +vision +audio +pdf +tools +schema +reasoning context=1048576 output=65536
gemma3*                +vision -audio -pdf
pixtral*               +vision -audio +tools
voxtral*               -vision +audio
magistral*             -audio +tools +reasoning
codestral*             -vision -audio -pdf +tools -reasoning
mistral-*              -audio +tools +schema
deepseek-chat*         -vision -audio -pdf +tools -schema
deepseek-reasoner*     -vision -audio -pdf -schema +reasoning
deepseek-r1*           -vision -audio -pdf +reasoning
sonar-reasoning*       -audio -tools +schema +reasoning
sonar-deep*            -audio -tools +reasoning
sonar*                 +vision -audio -tools +schema -reasoning
llama-4*               +vision -audio +tools -reasoning
*llama*vision*         +vision -audio
llama-3.3*             -vision -audio -pdf +tools -reasoning context=131072
llama-3.1*             -vision -audio -pdf +tools -reasoning context=131072
llama3*                -vision -audio -pdf -reasoning
llava*                 +vision -audio -pdf
*qwen*vl*              +vision -audio
qwq*                   -vision -audio -pdf +reasoning
qwen3*                 -audio +tools
grok-4*                +vision -audio +tools +schema +reasoning
grok-3-mini*           -vision -audio -pdf +tools +schema +reasoning
grok-3*                -vision -audio -pdf +tools +schema -reasoning
command-a-vision*      +vision -tools -reasoning
command-a-reasoning*   -vision -audio -pdf +tools +reasoning context=256000
command-a-03*          -vision -audio -pdf +tools +schema -reasoning context=256000 output=8000
command-r*             -vision -audio -pdf +tools +schema -reasoning context=128000 output=4000
kimi-k2*               -audio +tools
glm-4.5v*              +vision
glm-4*                 -vision -audio +tools
"""
"""A pattern of names, then + what it can and - what it cannot, then limits in tokens."""


def known() -> Iterator[Row]:
    """The rows of the table."""
    for line in TABLE.strip().splitlines():
        pattern, *words = line.split()
        row: dict[str, bool | int] = {}
        for word in words:
            name, equals, number = word.partition("=")
            row[name.lstrip("+-")] = int(number) if equals else word.startswith("+")
        yield pattern, row
