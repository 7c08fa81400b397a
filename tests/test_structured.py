"""JSON of a given shape: the shorthand, the check, the ladder, and the command."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from fake_provider import Conn, FakeProvider, json_reply, openai_stream
from home import configure
from hypothesis import given, settings
from hypothesis import strategies as st
from term import Term
from test_ask import CONFIG

from arawn.backends.structured import REPAIRS, Structured
from arawn.engine import Conversation
from arawn.errors import ArawnError, Cut, InvalidAnswer, Overloaded, Refused, UsageFault
from arawn.events import Event, Finish, Notice, Reasoning, Reply, Text, ToolCall, Usage, collect
from arawn.messages import Format, Request, user
from arawn.shorthand import shorthand
from arawn.structure import Shape, from_argument, from_keys, validator

SCHEMA = shorthand("name, age int")
GOOD, BAD = '{"name": "Ann", "age": 7}', '{"name": "Ann"}'


def closed(properties: dict[str, Any], *required: str) -> dict[str, Any]:
    names = list(required or properties)
    return {"type": "object", "properties": properties, "required": names, "additionalProperties": False}


S, N, F = {"type": "string"}, {"type": "integer"}, {"type": "number"}


@pytest.mark.parametrize(
    ("text", "schema"),
    [
        ("name, age int, tags [str]", closed({"name": S, "age": N, "tags": {"type": "array", "items": S}})),
        ("name\nage int", closed({"name": S, "age": N})),
        ("score float?, ok bool", closed({"score": F, "ok": {"type": "boolean"}}, "ok")),
        ("note?, x", closed({"note": S, "x": S}, "x")),
        ("kind a|b|c", closed({"kind": {"type": "string", "enum": ["a", "b", "c"]}})),
        (
            "items [name, price float]",
            closed({"items": {"type": "array", "items": closed({"name": S, "price": F})}}),
        ),
        ("grid [[int]]", closed({"grid": {"type": "array", "items": {"type": "array", "items": N}}})),
        ("kinds [a|b]", closed({"kinds": {"type": "array", "items": {"type": "string", "enum": ["a", "b"]}}})),
        ("age int: in years, rounded\nname", closed({"age": N | {"description": "in years, rounded"}, "name": S})),
        ('{"type": "array"}', {"type": "array"}),
    ],
)  # fmt: skip
def test_what_a_schema_may_be(text: str, schema: dict[str, Any]) -> None:
    assert from_argument(text, lambda name: pytest.fail(name)) == schema


@pytest.mark.parametrize(
    "text",
    ["", " , ,", "name wat", "name, name", "items [a", "items a]", "na me int x", '{"type": 3}', "{broken",
     '{"$ref": "http://169.254.169.254/x"}', '{"$ref": "file:///etc/passwd"}', "[" * 60 + "]" * 60],
)  # fmt: skip
def test_what_is_no_schema_is_told(text: str) -> None:
    def none(name: str) -> str:
        raise UsageFault(f"{name}: No such file")

    with pytest.raises(UsageFault):
        from_argument(text, none)


def test_keys_are_all_that_there_may_be() -> None:
    shape = Shape(from_keys("answer, confidence"))
    assert not shape.check('{"answer": [1], "confidence": null}').problem
    assert shape.check('{"answer": 1}').problem and shape.check('{"answer":1,"confidence":1,"x":1}').problem
    with pytest.raises(UsageFault):
        from_keys(" , ")


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (GOOD, GOOD),
        (f"  \n{GOOD}\n ", GOOD),
        (f"\ufeff{GOOD}", GOOD),
        (f"```json\n{GOOD}\n```", GOOD),
        (f"Here you are:\n\n{GOOD}\n\nAnything else?", GOOD),
        (f"Not [this], not {{that}}, but {GOOD}.", GOOD),
        (f"{BAD} or rather {GOOD}", GOOD),
        (BAD, None),
        ("", None),
        ("no JSON at all", None),
        ('{"name": "Ann", "age": NaN}', None),
        ('{"name": "Ann", "age": 7', None),
        ("[" * 100_000, None),
        ('{"name": "Ann", "age": ' + "9" * 5000 + "}", None),
    ],
)
def test_the_json_is_found_in_a_text(text: str, found: str | None) -> None:
    outcome = Shape(SCHEMA).check(text)
    assert bool(outcome.problem) == (found is None)
    assert found is None or outcome.text == found


class Model:
    """A backend that says one thing after another, and keeps what it was asked."""

    name, model = "b", "m"

    def __init__(self, *says: list[Event] | ArawnError) -> None:
        self.says = list(says)
        self.asked: list[Request] = []

    def stream(self, request: Request) -> Iterator[Event]:
        self.asked.append(request)
        said = self.says.pop(0) if len(self.says) > 1 else self.says[0]
        if isinstance(said, ArawnError):
            raise said
        yield from said

    def close(self) -> None:
        """Nothing."""


def says(text: str, reason: Any = "stop") -> list[Event]:
    return [Reasoning("hm"), Text(text[:5]), Text(text[5:]), Usage(10, 5, None, None), Finish(reason, "x")]


def calls(arguments: str) -> list[Event]:
    return [ToolCall("c", "answer", arguments), Usage(10, 5), Finish("tool_calls", "tool_use")]


def climb(model: Model, form: Format | None = None, request: Request | None = None, **options: Any) -> Reply:
    structured = Structured(model, form or Format(SCHEMA), options)
    return collect(structured.stream(request or Request((user("Who?"),))))


def refused(status: int = 400) -> Refused:
    return Refused("no", status=status)


def test_the_native_rung_serves_where_it_is_taken() -> None:
    model = Model(says(GOOD))
    reply = climb(model)
    assert (reply.text, reply.reasoning) == (GOOD, "hm")
    assert model.asked[0].format == Format(SCHEMA)
    assert [n.text for n in reply.notices] == ["JSON by native schema"]


def test_a_refused_rung_leads_to_the_next() -> None:
    model = Model(refused(), refused(422), says(f"Sure! {GOOD}"))
    reply = climb(model)
    assert reply.text == GOOD and reply.notices[-1].text == "JSON by prompt"
    native, tool, prompt = model.asked
    assert tool.tools[0].parameters == SCHEMA and tool.tool_choice == "answer" and tool.format is None
    assert '"age"' in str(prompt.system) and prompt.format == Format()


def test_a_refusal_that_is_none_of_the_way_is_the_end() -> None:
    for fault in (refused(403), Refused("policy"), Cut("cut")):
        with pytest.raises(type(fault)):
            climb(Model(fault))


def test_the_arguments_of_the_forced_tool_are_the_answer() -> None:
    assert climb(Model(calls(GOOD)), rungs=("tool",)).text == GOOD
    assert not climb(Model(calls(GOOD)), rungs=("tool",)).tool_calls
    assert climb(Model(says(GOOD)), rungs=("tool",)).text == GOOD, "a model that only spoke"
    many = Format({"type": "array", "items": N})
    assert climb(Model(calls('{"value": [1, 2]}')), many, rungs=("tool",)).text == "[1, 2]"


def test_two_repairs_and_no_more() -> None:
    model = Model(says(BAD), says("oops"), says(GOOD))
    reply = climb(model)
    assert reply.text == GOOD and reply.usage == Usage(30, 15)
    assert "after 2 repairs" in reply.notices[-1].text
    last = model.asked[-1].messages
    assert [message.role for message in last] == ["user", "assistant", "user", "assistant", "user"]
    assert "age" in last[2].text

    model = Model(says(BAD))
    structured = Structured(model, Format(SCHEMA), {})
    seen: list[Event] = []
    with pytest.raises(InvalidAnswer) as caught:
        seen.extend(structured.stream(Request((user("Who?"),))))
        for event in structured.stream(Request((user("Who?"),))):
            seen.append(event)
    assert caught.value.exit_code == 1
    assert len(model.asked) == REPAIRS + 1


def test_a_cut_answer_is_not_repaired() -> None:
    model = Model(says('{"name": "An', "length"))
    reply = climb(model)
    assert reply.finish and reply.finish.reason == "length" and len(model.asked) == 1
    assert reply.text == '{"name": "An'


def test_without_a_schema_any_object_will_do() -> None:
    assert climb(Model(says('{"x": 1}')), Format()).text == '{"x": 1}'
    assert climb(Model(says("[1]")), Format()).text == "[1]"
    model = Model(says('{"x": 1}'))
    climb(model, Format(), json_mode=False)
    assert model.asked[0].format is None and "JSON" in str(model.asked[0].system)


def test_no_forced_tool_beside_thinking_where_that_is_refused() -> None:
    model = Model(says(GOOD))
    thinking = Request((user("Who?"),), reasoning="high")
    climb(model, request=thinking, rungs=("tool", "prompt"), tool_excludes_reasoning=True)
    assert not model.asked[0].tools


def test_every_way_refused_but_words() -> None:
    model = Model(refused(), refused(), refused(), says(GOOD))
    assert climb(model).text == GOOD
    native, tool, prompt, plain = model.asked
    assert prompt.format == Format() and plain.format is None and "age" in str(plain.system)


def test_a_server_that_fails_over_a_schema() -> None:
    fails = Overloaded("it failed", status=500, detail="failed to parse grammar")
    assert climb(Model(fails, says(GOOD)), rungs=("native", "prompt")).text == GOOD
    inside = Refused("it failed", detail="invalid JSON schema in format")
    assert climb(Model(inside, says(GOOD)), rungs=("native", "prompt")).text == GOOD
    with pytest.raises(Overloaded):
        climb(Model(Overloaded("it failed", status=500, detail="out of memory"), says(GOOD)))


def test_words_ask_for_json_beside_the_json_mode() -> None:
    model = Model(refused(), says('{"x": 1}'))
    assert climb(model, Format()).text == '{"x": 1}'
    mode, plain = model.asked
    assert mode.format == Format() and "JSON" in str(mode.system), "services demand the word"
    assert plain.format is None and "JSON" in str(plain.system)


@pytest.mark.parametrize(
    "finish", [Finish("refusal"), Finish("stop", refusal="no"), Finish("content_filter")]
)
def test_a_refusal_is_not_mended(finish: Finish) -> None:
    model = Model([Text("I will not."), Usage(1, 1), finish])
    reply = climb(model)
    assert (reply.text, reply.finish, len(model.asked)) == ("I will not.", finish, 1)


@pytest.mark.parametrize("reason", ["error", "cut", "interrupted", "stop", "tool_calls"])
def test_no_other_end_passes_what_does_not_fit(reason: Any) -> None:
    with pytest.raises(InvalidAnswer):
        climb(Model(says(BAD, reason)))
    assert climb(Model(says(GOOD, reason))).text == GOOD


def test_what_came_before_a_fault_is_kept() -> None:
    for fault, last in ((Cut("cut"), [Text("half")]), (refused(429), [])):
        model = Faulty(says(BAD), last, fault)
        seen: list[Event] = []
        with pytest.raises(type(fault)):
            for event in Structured(model, Format(SCHEMA), {}).stream(Request((user("Who?"),))):
                seen.append(event)
        reply = collect(seen)
        assert reply.text == ("half" if last else BAD)
        assert reply.usage.input == 10 and reply.finish is None


class Faulty:
    """Answers once, then begins an answer and fails."""

    name, model = "b", "m"

    def __init__(self, first: list[Event], begun: list[Event], fault: ArawnError) -> None:
        self.turns = [first, begun]
        self.fault = fault

    def stream(self, request: Request) -> Iterator[Event]:
        first = len(self.turns) == 2
        yield from self.turns.pop(0)
        if not first:
            raise self.fault

    def close(self) -> None:
        """Nothing."""


def test_partial_arguments_are_kept() -> None:
    cut = [ToolCall("c", "answer", '{"name": "An'), Finish("length")]
    reply = climb(Model(cut), rungs=("tool",))
    assert reply.text == '{"name": "An' and reply.finish == Finish("length") and not reply.tool_calls


def test_several_calls_are_several_answers() -> None:
    two = [
        ToolCall("c", "answer", GOOD),
        ToolCall("d", "answer", GOOD.replace("7", "8")),
        Finish("tool_calls"),
    ]
    model = Model(two, calls(GOOD))
    assert climb(model, rungs=("tool",)).text == GOOD
    assert len(model.asked) == 2 and "more than one" in model.asked[1].messages[-1].text
    same = [ToolCall("c", "answer", GOOD), ToolCall("d", "answer", GOOD), Finish("tool_calls")]
    assert climb(Model(same), rungs=("tool",)).text == GOOD


def test_what_is_no_object_goes_into_one() -> None:
    tree = {
        "$defs": {"t": {"type": "array", "items": {"$ref": "#/$defs/t"}}},
        "anyOf": [{"$ref": "#/$defs/t"}, S],
    }
    model = Model(calls('{"value": [[], [[]]]}'))
    assert climb(model, Format(tree), rungs=("tool",)).text == "[[], [[]]]"
    sent = model.asked[0].tools[0].parameters
    assert (
        sent["type"] == "object"
        and sent["properties"]["value"]["anyOf"][0]["$ref"] == "#/properties/value/$defs/t"
    )
    problem = validator(sent)
    assert not problem({"value": [[]]}) and problem({"value": 5}), "it refers to what is there"

    model = Model(calls('{"value": "ü"}'))
    assert climb(model, Format({"enum": ["ü"]}), rungs=("tool",)).text == '"ü"'
    model = Model(calls('{"value": "ü \\ud83d"}'))
    said = climb(model, Format({"enum": ["ü \ud83d"]}), rungs=("tool",)).text
    assert json.loads(said) == "ü \ud83d" and said.isprintable()
    model = Model(calls("{}"))
    climb(model, Format({"properties": {"a": S}}), rungs=("tool",))
    assert model.asked[0].tools[0].parameters == {"type": "object", "properties": {"a": S}}


def test_an_empty_answer_is_mended_in_turns_that_alternate() -> None:
    model = Model(says("     "), says(GOOD))
    assert climb(model).text == GOOD
    assert [message.role for message in model.asked[1].messages] == ["user", "assistant", "user"]
    assert all(message.text.strip() for message in model.asked[1].messages)


def test_closing_closes_what_is_inside() -> None:
    class Held(Model):
        def stream(self, request: Request) -> Iterator[Event]:
            self.held = self.answer()
            return self.held

        def answer(self) -> Iterator[Event]:
            self.open = True
            try:
                yield Reasoning("hm")
                yield Text("never")
            finally:
                self.open = False

    model = Held(says(GOOD))
    events = Structured(model, Format(SCHEMA), {}).stream(Request((user("Who?"),)))
    assert next(iter(events)) == Reasoning("hm") and model.open
    getattr(events, "close", list)()
    assert not model.open


@settings(max_examples=40, deadline=None)
@given(
    says_=st.lists(
        st.sampled_from(["good", "bad", "none", "cut", "refused", "length", "call"]), min_size=1, max_size=6
    )
)
def test_one_end_whatever_happens(says_: list[str]) -> None:
    turns: dict[str, list[Event] | ArawnError] = {
        "good": says(GOOD), "bad": says(BAD), "none": [Finish("stop")], "cut": Cut("cut"), "refused": refused(),
        "length": says(BAD, "length"), "call": calls(GOOD),
    }  # fmt: skip
    seen: list[Event] = []
    fault: ArawnError | None = None
    conversation = Conversation(format=Format(SCHEMA))
    try:
        for event in conversation.ask(
            Structured(Model(*(turns[one] for one in says_)), Format(SCHEMA), {}), "Who?"
        ):
            seen.append(event)
    except ArawnError as error:
        fault = error
    kinds = [type(event) for event in seen]
    assert (
        kinds.count(Finish) <= 1
        and kinds.count(Text) <= 1
        and kinds.count(Usage) <= 1
        and ToolCall not in kinds
    )
    assert fault is not None or (kinds.count(Finish) == 1 and collect(seen).text == GOOD)


JUNK = st.one_of(
    st.text(max_size=40),
    st.sampled_from([GOOD, BAD, f"```json\n{GOOD}\n```", "{", "[]", "null", '"x"', "{}" * 9]),
    st.recursive(st.none() | st.booleans() | st.integers() | st.text(max_size=5),
                 lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["name", "age", "x"]), inner, max_size=3),
                 max_leaves=6).map(json.dumps),
)  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(answers=st.lists(JUNK, min_size=1, max_size=4), rungs=st.permutations(["native", "tool", "prompt"]))
def test_valid_or_a_fault(answers: list[str], rungs: list[str]) -> None:
    model = Model(*(calls(answer) if number % 2 else says(answer) for number, answer in enumerate(answers)))
    try:
        reply = climb(model, rungs=tuple(rungs))
    except InvalidAnswer:
        assert len(model.asked) == REPAIRS + 1
        return
    value = json.loads(reply.text)
    assert set(value) == {"name", "age"} and isinstance(value["name"], str)
    assert isinstance(value["age"], int | float) and value["age"] == int(value["age"])


@pytest.fixture
def ask(arawn):
    def run(fake: FakeProvider, *args: str, **options: Any):
        return arawn("ask", *args, config=CONFIG.format(url=fake.url), **options)

    return run


@pytest.mark.parametrize(
    "flags", [("--schema", "name, age int"), ("--schema", json.dumps(SCHEMA)), ("--schema", "SCHEMA.json"),
              ("--keys", "name,age"), ("--json-mode",)],
)  # fmt: skip
def test_the_command_prints_the_json_alone(ask, tmp_path, flags: tuple[str, ...]) -> None:
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / "SCHEMA.json").write_text(json.dumps(SCHEMA))
    with FakeProvider(openai_stream(["```json\n", GOOD, "\n```"])) as fake:
        done = ask(fake, *flags, "who?")
        piped = ask(fake, *flags, "--no-stream", stdin="who?")
    assert (done.stdout, done.returncode) == (GOOD + "\n", 0), done.stderr
    assert (piped.stdout, piped.returncode) == (GOOD + "\n", 0)
    assert "JSON by native" in done.stderr
    kind = "json_object" if flags == ("--json-mode",) else "json_schema"
    assert fake.requests[0].json["response_format"]["type"] == kind


def test_a_service_without_schemas_is_asked_by_tool_then_by_prompt(ask) -> None:
    def serve(conn: Conn) -> None:
        body = conn.request.json
        if body.get("response_format", {}).get("type") == "json_schema" or "tools" in body:
            json_reply(400, {"error": {"message": "unknown field"}})(conn)
        else:
            openai_stream([GOOD])(conn)

    with FakeProvider(serve) as fake:
        done = ask(fake, "--schema", "name, age int", "who?")
    assert done.stdout == GOOD + "\n" and len(fake.requests) == 3
    assert "JSON by prompt" in done.stderr


@pytest.mark.parametrize(
    ("model", "more", "ways"),
    [
        ("claude-sonnet-4-20250514", (), ["tool"]),
        ("claude-sonnet-4-20250514", ("--reasoning", "high"), ["prompt"]),
        ("claude-sonnet-5", (), ["native"]),
        ("claude-sonnet-5", ("--reasoning", "high"), ["native"]),
    ],
)
def test_a_model_is_asked_in_the_way_it_has(
    arawn, model: str, more: tuple[str, ...], ways: list[str]
) -> None:
    def serve(conn: Conn) -> None:
        block: dict[str, Any] = {"type": "text", "text": f"Here: {GOOD}"}
        if "tool_choice" in conn.request.json:
            block = {"type": "tool_use", "id": "t", "name": "answer", "input": json.loads(GOOD)}
        json_reply(200, {"type": "message", "model": model, "content": [block], "stop_reason": "end_turn"})(
            conn
        )

    with FakeProvider(serve) as fake:
        done = arawn("ask", "--schema", "name, age int", *more, "who?",
                     env={"ANTHROPIC_API_KEY": "k", "ANTHROPIC_API_BASE": fake.url, "ANTHROPIC_MODEL": model})  # fmt: skip
    assert (done.stdout, done.returncode) == (GOOD + "\n", 0), done.stderr
    bodies = [request.json for request in fake.requests]
    native = ["format" in body.get("output_config", {}) for body in bodies]
    tool = ["tool_choice" in body for body in bodies]
    asked = [
        "native" if by_format else "tool" if by_tool else "prompt"
        for by_format, by_tool in zip(native, tool, strict=True)
    ]
    assert asked == ways


def test_an_answer_that_stays_wrong_is_a_failure_and_not_lost(ask) -> None:
    with FakeProvider(openai_stream([BAD])) as fake:
        done = ask(fake, "--schema", "name, age int", "who?")
        document = ask(fake, "--schema", "name, age int", "--json", "who?")
    assert done.returncode == 1 and "not the JSON that was asked for" in done.stderr
    assert done.stdout == BAD + "\n" and len(fake.requests) == 2 * (REPAIRS + 1)
    said = json.loads(document.stdout)
    assert (said["ok"], said["error"]["code"], said["text"]) == (False, "invalid", BAD)


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (("--schema", "name wat"), "no type"),
        (("--schema", "there/is/no.json"), "No such file"),
        (("--schema", "{"), "no JSON"),
        (("--json-mode", "--keys", "a"), "exclude"),
        (("--keys", ","), "names no key"),
        (("--schema", ""), "names no field"),
        (("--keys", ""), "names no key"),
        (("--schema", "name", "--keys", ""), "exclude"),
        (("--schema", '{"type": "objekt"}'), "must be one"),
        (("--schema", "https://example.com/s.json"), "not fetched"),
    ],
)
def test_a_wrong_wish_is_told_before_anything_is_sent(ask, flags: tuple[str, ...], words: str) -> None:
    with FakeProvider(openai_stream([GOOD])) as fake:
        done = ask(fake, *flags, "who?")
    assert done.returncode == 2 and words in done.stderr and not fake.requests


def test_the_document_has_the_data(ask) -> None:
    with FakeProvider(openai_stream([f"Here: {GOOD}"])) as fake:
        said = json.loads(ask(fake, "--schema", "name, age int", "--json", "who?").stdout)
        lines = ask(fake, "--keys", "name,age", "--jsonl", "who?").stdout.splitlines()
        plain = json.loads(ask(fake, "--json", "who?").stdout)
    assert (said["text"], said["data"]) == (GOOD, {"name": "Ann", "age": 7})
    assert json.loads(lines[-1])["data"] == {"name": "Ann", "age": 7}
    assert [json.loads(line)["type"] for line in lines].count("text") == 1
    assert plain["data"] is None
    with FakeProvider(openai_stream([BAD])) as fake:
        said = json.loads(ask(fake, "--schema", "name, age int", "--json", "who?").stdout)
    assert said["data"] is None and said["text"] == BAD


def test_text_from_a_pipe_beside_a_schema_and_a_file(ask, tmp_path) -> None:
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / "person").write_text(json.dumps(SCHEMA))
    (tmp_path / "work" / "note.txt").write_text("Ann is seven.")
    with FakeProvider(openai_stream([GOOD])) as fake:
        done = ask(fake, "--schema", "person", "-f", "note.txt", "Read", "-", stdin="this:")
    assert (done.stdout, done.returncode) == (GOOD + "\n", 0), done.stderr
    body = fake.requests[0].json
    assert body["response_format"]["json_schema"]["schema"] == SCHEMA
    assert (
        "Read this:" in body["messages"][-1]["content"] and "Ann is seven." in body["messages"][-1]["content"]
    )


@pytest.mark.parametrize("flags", [("--schema", "name"), ("--keys", "a"), ("--json-mode",)])
def test_the_guide_has_no_json(arawn, flags: tuple[str, ...]) -> None:
    done = arawn("ask", *flags, "hello")
    assert (done.returncode, done.stdout) == (7, "") and "model is needed" in done.stderr


def test_what_a_model_puts_into_a_complaint_cannot_reach_the_terminal(ask) -> None:
    with FakeProvider(openai_stream(['{"name": "Ann", "age": 7, "\\u001b[2J\\u202e": 1}'])) as fake:
        done = ask(fake, "--schema", "name, age int", "who?")
    assert done.returncode == 1 and "must not contain" in done.stderr
    assert not {"\x1b", "\u202e"} & set(done.stderr)


def test_on_a_terminal_json_is_no_markdown(env: dict[str, str], tmp_path) -> None:
    said = '{"name": "*Ann* __init__ # `x`", "age": 7}'
    with FakeProvider(openai_stream([said])) as fake:
        configure(tmp_path / "home", CONFIG.format(url=fake.url))
        argv = [sys.executable, "-P", "-m", "arawn", "ask", "--schema", "name, age int", "who?"]
        with Term(argv, env=env, cwd=tmp_path) as term:
            assert term.end(20) == 0
            assert said.encode() in term.raw


def test_notices_are_events_of_their_own() -> None:
    assert all(isinstance(notice, Notice) for notice in climb(Model(says(GOOD))).notices)
