#!/usr/bin/env python3
"""Plays the APIs of GitHub, GitLab, Gitea and Jira, as far as Segue speaks to them.

    forge-api.py

Which one is told by the path: /github, /gitlab/api/v4, /gitea/api/v1, /jira. Issue 1 (SHOP-1) is
open, 2 is closed, 500 breaks the server, 408 hangs, 302 redirects, 200 answers something else, and
there are no others. Commits 'aaaa...' belong to a merged and approved request of the branch feature/1,
'bbbb...' to one that only its author approved, 'cccc...' to one of another branch than main, 'dddd...'
break the server; `POST /known/SHA/(aaaa|bbbb|cccc|dddd)` makes another commit such a one. There are no
others. The token is 'token-of-tests' everywhere. Prints the port, then one line of JSON
for each request.
"""

import base64
import http.server
import json
import re
import sys
import threading

lock = threading.Lock()
TOKEN = "token-of-tests"
BASIC = "Basic " + base64.b64encode(b"ada:token-of-tests").decode()

ISSUE = {
    "github": lambda key, is_open: {
        "number": int(key), "title": f"Issue {key}", "state": "open" if is_open else "closed",
        "html_url": f"https://github.example/acme/shop/issues/{key}", "labels": [], "user": {}},
    "gitlab": lambda key, is_open: {
        "iid": int(key), "title": f"Issue {key}", "state": "opened" if is_open else "closed",
        "web_url": f"https://gitlab.example/acme/shop/-/issues/{key}", "labels": []},
    "gitea": lambda key, is_open: {
        "number": int(key), "title": f"Issue {key}", "state": "open" if is_open else "closed",
        "html_url": f"https://gitea.example/acme/shop/issues/{key}"},
    "jira": lambda key, is_open: {
        "key": f"SHOP-{key}", "fields": {"summary": f"Issue {key}", "status": {
            "name": "To Do" if is_open else "Done",
            "statusCategory": {"key": "new" if is_open else "done"}}}},
}
PATHS = [
    ("GET", r"/github/repos/acme/shop/issues/(\d+)"),
    ("GET", r"/gitlab/api/v4/projects/acme%2Fshop/issues/(\d+)"),
    ("GET", r"/gitea/api/v1/repos/acme/shop/issues/(\d+)"),
    ("GET", r"/jira/rest/api/2/issue/SHOP-(\d+)\?fields=summary,status"),
    ("POST", r"/github/repos/acme/shop/statuses/[0-9a-f]{40}"),
    ("POST", r"/gitlab/api/v4/projects/acme%2Fshop/statuses/[0-9a-f]{40}"),
    ("POST", r"/gitea/api/v1/repos/acme/shop/statuses/[0-9a-f]{40}"),
    ("POST", r"/github/repos/acme/shop/commits/[0-9a-f]{40}/comments"),
    ("POST", r"/gitlab/api/v4/projects/acme%2Fshop/repository/commits/[0-9a-f]{40}/comments"),
    ("POST", r"/github/repos/acme/shop/issues/1/comments"),
    ("POST", r"/gitlab/api/v4/projects/acme%2Fshop/issues/1/notes"),
    ("POST", r"/gitea/api/v1/repos/acme/shop/issues/1/comments"),
    ("POST", r"/jira/rest/api/2/issue/SHOP-1/comment"),
]


REQUESTS = [
    ("github", r"/github/repos/acme/shop/commits/([0-9a-f]{40})/pulls\?per_page=100"),
    ("gitlab",
     r"/gitlab/api/v4/projects/acme%2Fshop/repository/commits/([0-9a-f]{40})/merge_requests"
     r"\?per_page=100"),
    ("gitea", r"/gitea/api/v1/repos/acme/shop/commits/([0-9a-f]{40})/pull"),
]
REVIEWS = [
    ("github", r"/github/repos/acme/shop/pulls/(\d+)/reviews\?per_page=100"),
    ("gitlab", r"/gitlab/api/v4/projects/acme%2Fshop/merge_requests/(\d+)/approvals"),
    ("gitea", r"/gitea/api/v1/repos/acme/shop/pulls/(\d+)/reviews\?per_page=100"),
]
known = {}


def request(forge, kind):
    """A request that was merged, as the forge writes it."""
    number = 12 if kind == "aaaa" else 13
    base = "release" if kind == "cccc" else "main"
    if forge == "gitlab":
        return {"iid": number, "id": 900 + number, "state": "merged", "source_branch": "feature/1",
                "target_branch": base, "author": {"username": "ada"}}
    merged = {"merged_at": "2026-11-24T12:00:00Z"} if forge == "github" else {"merged": True}
    return {"number": number, "id": 900 + number, "state": "closed", "head": {"ref": "feature/1"},
            "base": {"ref": base}, "user": {"login": "ada"}, **merged}


def reviews(forge, number):
    """Those of request 12, which li has approved after all, and of 13, which nobody else has."""
    if forge == "gitlab":
        who = ["ada", "li"] if number == "12" else ["ada"]
        return {"approved_by": [{"user": {"username": name}} for name in who]}
    said = [("ada", "APPROVED"), ("li", "COMMENTED")]
    no = "CHANGES_REQUESTED" if forge == "github" else "REQUEST_CHANGES"
    said += [("li", no), ("li", "APPROVED")] if number == "12" else [("li", "APPROVED"), ("li", no)]
    return [{"user": {"login": who}, "state": state} for who, state in said]


class API(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self, status, value):
        body = json.dumps(value).encode()
        self.send_response(status)
        if status == 302:
            self.send_header("Location", "/elsewhere")
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def is_known(self, forge):
        given = self.headers.get("Authorization")
        return {
            "github": given == f"Bearer {TOKEN}",
            "gitlab": self.headers.get("PRIVATE-TOKEN") == TOKEN,
            "gitea": given == f"token {TOKEN}",
            "jira": given in (f"Bearer {TOKEN}", BASIC),
        }[forge]

    def handle_any(self, method, body):
        with lock:
            print(json.dumps({"path": f"{method} {self.path}", "body": body}), flush=True)
        forge = self.path.split("/")[1]
        if forge == "known":
            known[self.path.split("/")[2]] = self.path.split("/")[3]
            return self.answer(200, {})
        for name, path in REQUESTS:
            if method == "GET" and (match := re.fullmatch(path, self.path)):
                return self.answer_request(name, known.get(match[1], match[1][:4]))
        for name, path in REVIEWS:
            if method == "GET" and self.is_known(name) and (match := re.fullmatch(path, self.path)):
                return self.answer(200, reviews(name, match[1]))
        match = next(filter(None, (
            re.fullmatch(path, self.path) for verb, path in PATHS if verb == method)), None)
        if forge not in ISSUE or not match:
            return self.answer(404, {"message": "Not Found"})
        if not self.is_known(forge):
            return self.answer(401, {"message": "Bad credentials"})
        if method == "POST":
            if forge == "gitlab" and "again" in body:
                return self.answer(400, {
                    "message": "Cannot transition status via :run from :running (Reason(s): ...)"})
            return self.answer(201, {"id": 1})
        key = match[1]
        if key == "408":
            threading.Event().wait(600)
        if key in ("500", "302"):
            return self.answer(int(key), {"message": "no"})
        if key == "200":
            return self.answer(200, ["something else"])
        if key not in ("1", "2"):
            return self.answer(404, {"message": "Not Found"})
        return self.answer(200, ISSUE[forge](key, key == "1"))

    def answer_request(self, forge, kind):
        if not self.is_known(forge):
            return self.answer(401, {"message": "Bad credentials"})
        if kind == "dddd":
            return self.answer(502, {"message": "no"})
        found = kind in ("aaaa", "bbbb", "cccc")
        if forge == "gitea":
            return self.answer(200, request(forge, kind)) if found else self.answer(404, {})
        still_open = {**request(forge, kind), "state": "opened", "merged_at": None}
        return self.answer(200, [still_open, request(forge, kind)] if found else [])

    def do_GET(self):
        self.handle_any("GET", "")

    def do_POST(self):
        length = int(self.headers.get("content-length") or 0)
        self.handle_any("POST", self.rfile.read(length).decode())

    def log_message(self, *arguments):
        pass


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    # A connection that the test dropped is no error.
    handle_error = lambda *arguments: None


server = Server(("127.0.0.1", 0), API)
print(server.server_address[1], flush=True)
server.serve_forever()
