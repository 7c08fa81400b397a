"""Loopback fakes of four batch services, written from their documentation.

OpenAI (and Groq, which has copied it): platform.openai.com/docs/api-reference/batch and .../files.
Anthropic: docs.anthropic.com/en/api/creating-message-batches, .../retrieving-message-batch-results.
Mistral: docs.mistral.ai/capabilities/batch and docs.mistral.ai/api (batch/jobs).
Google: ai.google.dev/api/batch-api and ai.google.dev/gemini-api/docs/batch-api.

They refuse what the services refuse (a wrong purpose, a streamed body, an id that stands twice), answer a prompt
by `<prompt>`, and treat some prompts in their own ways: FAIL, EXPIRE, CANCEL, LOSE.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

from fake_provider import Conn, body_reply, json_reply

Reply = Callable[[Conn], None]


def lines(values: list[Any]) -> Reply:
    data = "".join(json.dumps(value, ensure_ascii=False) + "\n" for value in values).encode()
    return body_reply(200, data, "application/octet-stream")


def refused(message: str, status: int = 400) -> Reply:
    return json_reply(status, {"error": {"message": message, "type": "invalid_request_error"}})


class Service:
    """What all share: jobs that end after `looks` looks, and a journal of what came."""

    def __init__(self, looks: int = 1) -> None:
        self.looks = looks
        self.ended = "completed"
        self.jobs: dict[str, dict[str, Any]] = {}
        self.files: dict[str, bytes] = {}
        self.seen: list[str] = []
        self.keys: set[str] = set()

    def __call__(self, conn: Conn) -> None:
        asked = conn.request
        self.seen.append(f"{asked.method} {asked.path}")
        self.keys |= {
            value
            for name, value in asked.headers.items()
            if name in ("authorization", "x-api-key", "x-goog-api-key")
        }
        self.answer(asked.method, asked.path, asked)(conn)

    def answer(self, method: str, path: str, asked: Any) -> Reply:
        raise NotImplementedError

    def look(self, id: str) -> bool:
        """Whether the job is over at this look."""
        job = self.jobs[id]
        job["looks"] = job.get("looks", 0) + 1
        return bool(job["looks"] >= self.looks)

    @staticmethod
    def upload(asked: Any) -> tuple[dict[str, str], bytes]:
        """Fields and file of a form."""
        kind = asked.headers["content-type"]
        found = re.fullmatch(r"multipart/form-data; boundary=(\S+)", kind)
        assert found, kind
        parts = asked.body.split(b"--" + found[1].encode())
        assert parts[0] == b"" and parts[-1] == b"--\r\n"
        fields, file = {}, b""
        for part in parts[1:-1]:
            head, _, data = part.removeprefix(b"\r\n").partition(b"\r\n\r\n")
            name = re.search(rb'name="(\w+)"', head)
            assert name and data.endswith(b"\r\n")
            if b"filename=" in head:
                file = data[:-2]
            else:
                fields[name[1].decode()] = data[:-2].decode()
        return fields, file


def said(body: Any) -> str:
    return str(body["messages"][-1]["content"])


def openai_body(text: str, model: str) -> dict[str, Any]:
    return {
        "id": "chatcmpl-1", "object": "chat.completion", "model": model,
        "choices": [{"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 1000, "completion_tokens": 500, "total_tokens": 1500},
    }  # fmt: skip


class OpenAI(Service):
    """/v1/files and /v1/batches; `prefix` is what stands before /files."""

    prefix = "/v1"

    def answer(self, method: str, path: str, asked: Any) -> Reply:
        path = path.removeprefix(self.prefix)
        if (method, path) == ("POST", "/files"):
            fields, file = self.upload(asked)
            if fields.get("purpose") != "batch":
                return refused("purpose must be batch")
            self.files[f"file-{len(self.files)}"] = file
            return json_reply(
                200, {"id": f"file-{len(self.files) - 1}", "object": "file", "purpose": "batch"}
            )
        if (method, path) == ("POST", "/batches"):
            return self.create(asked.json)
        found = re.fullmatch(r"/batches/([\w-]+)(/cancel)?", path)
        if found and found[1] in self.jobs:
            if found[2]:
                self.jobs[found[1]]["status"] = "cancelled"
            return json_reply(200, self.state(found[1]))
        found = re.fullmatch(r"/files/([\w-]+)/content", path)
        if found and found[1] in self.files:
            return body_reply(200, self.files[found[1]], "application/octet-stream")
        return refused("not found", 404)

    def create(self, body: Any) -> Reply:
        if body["input_file_id"] not in self.files or body["completion_window"] != "24h":
            return refused("no such file or window")
        rows = [json.loads(line) for line in self.files[body["input_file_id"]].splitlines()]
        for row in rows:
            if row["method"] != "POST" or row["url"] != body["endpoint"] or row["body"].get("stream"):
                return refused("a line is not for this endpoint")
        if (
            len({row["custom_id"] for row in rows}) != len(rows)
            or len({row["body"]["model"] for row in rows}) > 1
        ):
            return refused("ids twice, or several models")
        id = f"batch_{len(self.jobs)}"
        self.jobs[id] = {"rows": rows, "status": "validating", "endpoint": body["endpoint"]}
        return json_reply(200, {"id": id, "object": "batch", "status": "validating"})

    def state(self, id: str) -> dict[str, Any]:
        job = self.jobs[id]
        if job["status"] in ("validating", "in_progress"):
            job["status"] = self.ended if self.look(id) else "in_progress"
        over = job["status"] in ("completed", "expired", "cancelled")
        good, bad = self.sorted_out(job["rows"], job["status"]) if over else ([], [])
        made: dict[str, Any] = {
            "id": id, "object": "batch", "status": job["status"], "output_file_id": None, "error_file_id": None,
            "request_counts": {"total": len(job["rows"]), "completed": len(good), "failed": len(bad)},
        }  # fmt: skip
        if job["status"] == "failed":
            made["errors"] = {"data": [{"code": "invalid", "message": "line 1 is wrong", "line": 1}]}
        for name, rows in (("output_file_id", good), ("error_file_id", bad)):
            if rows:
                made[name] = f"{id}-{name}"
                self.files[made[name]] = "".join(json.dumps(row) + "\n" for row in reversed(rows)).encode()
        return made

    def sorted_out(self, rows: list[Any], status: str) -> tuple[list[Any], list[Any]]:
        good, bad = [], []
        for row in rows:
            text = said(row["body"])
            line = {"id": "batch_req_1", "custom_id": row["custom_id"], "error": None}
            if "FAIL" in text:
                body = {"error": {"message": "no way", "type": "invalid_request_error"}}
                bad.append({**line, "response": {"status_code": 400, "request_id": "r", "body": body}})
            elif "EXPIRE" in text or status == "cancelled":
                code = "batch_cancelled" if status == "cancelled" else "batch_expired"
                bad.append({**line, "response": None, "error": {"code": code, "message": "not executed"}})
            elif "LOSE" not in text:
                answer = openai_body(row["body"].get("_answer") or f"<{text}>", row["body"]["model"])
                if row["body"].get("response_format"):
                    answer = openai_body(
                        '{"age": 3}' if "good" in text else '{"age": "x"}', row["body"]["model"]
                    )
                good.append({**line, "response": {"status_code": 200, "request_id": "r", "body": answer}})
        return good, bad


class Groq(OpenAI):
    """The same below /openai/v1."""

    prefix = "/openai/v1"


class Mistral(Service):
    """/v1/files and /v1/batch/jobs."""

    def answer(self, method: str, path: str, asked: Any) -> Reply:
        if (method, path) == ("POST", "/v1/files"):
            fields, file = self.upload(asked)
            assert fields == {"purpose": "batch"}
            self.files["0b1f-in"] = file
            return json_reply(200, {"id": "0b1f-in", "object": "file", "purpose": "batch", "num_lines": 1})
        if (method, path) == ("POST", "/v1/batch/jobs"):
            body = asked.json
            rows = [json.loads(line) for line in self.files[body["input_files"][0]].splitlines()]
            if body["endpoint"] != "/v1/chat/completions" or any("model" in row["body"] for row in rows):
                return refused("the model stands in the job")
            self.jobs["j-1"] = {"rows": rows, "model": body["model"], "status": "QUEUED"}
            return json_reply(200, {"id": "j-1", "object": "batch", "status": "QUEUED"})
        if path == "/v1/batch/jobs/j-1/cancel" and method == "POST":
            self.jobs["j-1"]["status"] = "CANCELLED"
            return json_reply(200, {"id": "j-1", "status": "CANCELLATION_REQUESTED"})
        if path == "/v1/batch/jobs/j-1":
            return json_reply(200, self.state())
        if path in ("/v1/files/out-1/content", "/v1/files/err-1/content"):
            return body_reply(200, self.files[path.split("/")[3]], "application/octet-stream")
        return refused("not found", 404)

    def state(self) -> dict[str, Any]:
        job = self.jobs["j-1"]
        if job["status"] in ("QUEUED", "RUNNING"):
            words = {"completed": "SUCCESS", "expired": "TIMEOUT_EXCEEDED", "failed": "FAILED"}
            job["status"] = words[self.ended] if self.look("j-1") else "RUNNING"
        good, bad = [], []
        for row in job["rows"] if job["status"] in ("SUCCESS", "TIMEOUT_EXCEEDED") else ():
            text = said(row["body"])
            line = {"id": "x", "custom_id": row["custom_id"]}
            if "FAIL" in text:
                body = json.dumps(
                    {"object": "error", "message": "no way", "type": "invalid_request", "code": 1}
                )
                bad.append({**line, "response": {"status_code": 422, "body": body}, "error": None})
            elif "EXPIRE" not in text and "LOSE" not in text:
                answer = openai_body(f"<{text}>", job["model"])
                good.append({**line, "response": {"status_code": 200, "body": answer}, "error": None})
        made: dict[str, Any] = {
            "id": "j-1", "object": "batch", "status": job["status"], "errors": [], "output_file": None,
            "error_file": None, "total_requests": len(job["rows"]), "succeeded_requests": len(good),
            "failed_requests": len(bad), "completed_requests": len(good) + len(bad),
        }  # fmt: skip
        if job["status"] == "FAILED":
            made["errors"] = [{"message": "line 1 is wrong", "count": 1}]
        for name, key, rows in (("out-1", "output_file", good), ("err-1", "error_file", bad)):
            if rows:
                made[key] = name
                self.files[name] = "".join(json.dumps(row) + "\n" for row in rows).encode()
        return made


class Anthropic(Service):
    """/v1/messages/batches."""

    def answer(self, method: str, path: str, asked: Any) -> Reply:
        assert asked.headers["anthropic-version"] == "2023-06-01"
        if (method, path) == ("POST", "/v1/messages/batches"):
            rows = asked.json["requests"]
            for row in rows:
                assert re.fullmatch(r"[a-zA-Z0-9_-]{1,64}", row["custom_id"])
                if row["params"].get("stream") or not row["params"]["max_tokens"]:
                    return refused("stream is not taken")
            self.jobs["msgbatch_01"] = {"rows": rows, "status": "in_progress"}
            return json_reply(200, self.state(False))
        if path == "/v1/messages/batches/msgbatch_01/cancel" and method == "POST":
            self.jobs["msgbatch_01"]["status"] = "cancelled"
            return json_reply(200, {**self.state(False), "processing_status": "canceling"})
        if path == "/v1/messages/batches/msgbatch_01":
            return json_reply(200, self.state(True))
        if path == "/v1/messages/batches/msgbatch_01/results":
            return lines(list(reversed(self.results())))
        return json_reply(
            404, {"type": "error", "error": {"type": "not_found_error", "message": "not found"}}
        )

    def state(self, look: bool) -> dict[str, Any]:
        job = self.jobs["msgbatch_01"]
        over = job["status"] == "cancelled" or (look and self.look("msgbatch_01"))
        kinds = [row["result"]["type"] for row in self.results()] if over else []
        counts = {kind: kinds.count(kind) for kind in ("succeeded", "errored", "canceled", "expired")}
        return {
            "id": "msgbatch_01", "type": "message_batch", "processing_status": "ended" if over else "in_progress",
            "request_counts": {"processing": 0 if over else len(job["rows"]), **counts},
            "results_url": "https://evil.example/results" if over else None,
        }  # fmt: skip

    def results(self) -> list[Any]:
        made = []
        job = self.jobs["msgbatch_01"]
        for row in job["rows"]:
            text = row["params"]["messages"][-1]["content"]
            text = text if isinstance(text, str) else text[-1]["text"]
            result: dict[str, Any] = {
                "type": "succeeded",
                "message": {
                    "id": "msg_1", "type": "message", "role": "assistant", "model": row["params"]["model"],
                    "content": [{"type": "text", "text": f"<{text}>"}], "stop_reason": "end_turn",
                    "usage": {"input_tokens": 1000, "output_tokens": 500},
                },
            }  # fmt: skip
            if job["status"] == "cancelled":
                result = {"type": "canceled"}
            elif "FAIL" in text:
                error = {"type": "invalid_request_error", "message": "no way"}
                result = {"type": "errored", "error": {"type": "error", "error": error}}
            elif "EXPIRE" in text or self.ended == "expired":
                result = {"type": "expired"}
            if "LOSE" not in text:
                made.append({"custom_id": row["custom_id"], "result": result})
        return made


class Google(Service):
    """models/NAME:batchGenerateContent; answers inside the operation, or in a file where `as_file` is set."""

    as_file = False

    def answer(self, method: str, path: str, asked: Any) -> Reply:
        if method == "POST" and path == "/v1beta/models/gemini-2.5-flash:batchGenerateContent":
            batch = asked.json["batch"]
            assert batch["display_name"]
            self.jobs["batches/b1"] = {
                "rows": batch["input_config"]["requests"]["requests"],
                "status": "PENDING",
            }
            return json_reply(200, {"name": "batches/b1", "metadata": {"state": "BATCH_STATE_PENDING"}})
        if path == "/v1beta/batches/b1:cancel" and method == "POST":
            self.jobs["batches/b1"]["status"] = "CANCELLED"
            return json_reply(200, {})
        if path == "/v1beta/batches/b1":
            return json_reply(200, self.state())
        if path == "/download/v1beta/files/out-1:download?alt=media":
            return lines([{"key": row.pop("metadata")["key"], **row} for row in self.results()])
        return refused("not found", 404)

    def state(self) -> dict[str, Any]:
        job = self.jobs["batches/b1"]
        if job["status"] in ("PENDING", "RUNNING"):
            words = {"completed": "SUCCEEDED", "expired": "EXPIRED", "failed": "FAILED"}
            job["status"] = words[self.ended] if self.look("batches/b1") else "RUNNING"
        made: dict[str, Any] = {
            "name": "batches/b1",
            "metadata": {
                "state": f"BATCH_STATE_{job['status']}",
                "batchStats": {"requestCount": str(len(job["rows"])), "successfulRequestCount": "1"},
            },
        }
        if job["status"] == "FAILED":
            made |= {"done": True, "error": {"code": 3, "message": "line 1 is wrong"}}
        if job["status"] == "SUCCEEDED":
            made["done"] = True
            inline = {"inlinedResponses": {"inlinedResponses": self.results()}}
            made["response"] = {"responsesFile": "files/out-1"} if self.as_file else inline
        return made

    def results(self) -> list[Any]:
        made = []
        for row in self.jobs["batches/b1"]["rows"]:
            text = row["request"]["contents"][-1]["parts"][-1]["text"]
            one: dict[str, Any] = {"metadata": row["metadata"]}
            if "FAIL" in text or "EXPIRE" in text:
                one["error"] = {"code": 3, "message": "no way", "status": "INVALID_ARGUMENT"}
            else:
                one["response"] = {
                    "candidates": [{"content": {"parts": [{"text": f"<{text}>"}], "role": "model"}, "finishReason": "STOP"}],
                    "usageMetadata": {"promptTokenCount": 1000, "candidatesTokenCount": 500, "totalTokenCount": 1500},
                    "modelVersion": "gemini-2.5-flash",
                }  # fmt: skip
            if "LOSE" not in text:
                made.append(one)
        return made
