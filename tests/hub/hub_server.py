"""A server on loopback that speaks as much of the hub's HTTP as its client uses here.

Downloads: HEAD and GET of `/<repo>/resolve/<revision>/<path>`; large files are redirected to
`/<repo>/cdn/<commit>/<path>`, which knows ranges. Uploads: create a repository or a
branch, model info, `preupload`, Git LFS batch and upload, and the commit, which is NDJSON.
"""

import base64
import hashlib
import json
import os
import re
import threading
import time
import urllib.parse
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

COMMIT = "a" * 40
LARGE = 10_000  # bytes: above, downloads are redirected to a store of their own
LFS_SUFFIXES = (".h5", ".npz", ".png")


def environment(hub, folder):
    """Environment variables of a client of this server; its cache is below `folder`."""
    kept = {
        k: v
        for k, v in os.environ.items()
        if not k.startswith(("HF_", "KERAS_GAN_ZOO")) and "proxy" not in k.lower()
    }
    return kept | {
        "HF_ENDPOINT": f"http://127.0.0.1:{hub.server_port}",
        "HF_HOME": str(folder / "hf"),
        "HF_HUB_DISABLE_PROGRESS_BARS": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "HF_HUB_DISABLE_XET": "1",
    }


class Hub(ThreadingHTTPServer):
    """`repos["user/repo"]` maps paths to bytes; everything is at `COMMIT`, also called main.

    Attributes:
        private, gated: repositories; private ones need the token "hf_secret".
        cut_once, fail_once, stall_once: repositories whose next answer breaks off, is 503, or
            stops in the middle.
        slow: repository -> seconds between pieces of a body.
        answers: "GET user/repo path" -> statuses to answer with first.
        requests: how often each was asked for.
        read_only, refuse_commits: repositories that answer 403 to every change, 400 to commits.
        commits: "user/repo" -> list of (branch, parent, summary, paths), as pushed.
        branches: ("user/repo", branch) -> (commit, files), of repositories made by a client.
    """

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.repos = {}
        self.private = set()
        self.gated = set()
        self.cut_once = set()
        self.fail_once = set()
        self.stall_once = set()
        self.slow = {}
        self.answers = {}
        self.requests = Counter()
        self.commits = {}
        self.branches = {}
        self.blobs = {}
        self.read_only = set()
        self.refuse_commits = set()
        self.visible = {}
        self.thread = threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *exc):
        self.shutdown()
        self.server_close()
        self.thread.join()

    def handle_error(self, request, client_address):
        """Clients that hang up are what is tested."""

    def files(self, repo, revision):
        """Commit and files of a revision, or None."""
        if repo in self.repos:
            found = revision in ("main", "v1", COMMIT)
            return (COMMIT, self.repos[repo]) if found else None
        for (name, branch), (commit, files) in self.branches.items():
            if name == repo and revision in (branch, commit):
                return commit, files
        return None

    def exists(self, repo):
        return repo in self.repos or any(name == repo for name, _ in self.branches)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def reply(self, status, value, **headers):
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        for name, text in headers.items():
            self.send_header(name, text)
        self.end_headers()
        self.wfile.write(body)

    def refuse(self, status, code=None):
        self.send_response(status)
        if code:
            self.send_header("X-Error-Code", code)
            self.send_header("X-Error-Message", code)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def body(self):
        if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
            parts = []
            while size := int(self.rfile.readline().strip() or b"0", 16):
                parts.append(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
            return b"".join(parts)
        return self.rfile.read(int(self.headers.get("Content-Length", 0)))

    def parts(self):
        path = self.path.split("?")[0].strip("/")
        return [urllib.parse.unquote(part) for part in path.split("/")]

    def allowed(self):
        return self.headers["Authorization"] == "Bearer hf_secret"

    # -------------------------------------------------------------- downloads

    def do_HEAD(self):
        self.answer(body=False)

    def do_GET(self):
        parts = self.parts()
        if parts[:2] == ["api", "models"] and len(parts) in (4, 6):
            return self.info("/".join(parts[2:4]), parts[5] if len(parts) == 6 else "main")
        return self.answer(body=True)

    def answer(self, body):
        hub = self.server
        parts = self.parts()
        if len(parts) < 5 or parts[2] not in ("resolve", "cdn"):
            return self.refuse(404)
        repo, revision, path = "/".join(parts[:2]), parts[3], "/".join(parts[4:])
        key = f"{self.command} {repo} {path}"
        hub.requests[key] += 1
        if hub.answers.get(key):
            return self.refuse(hub.answers[key].pop(0))
        if repo in hub.fail_once:
            hub.fail_once.discard(repo)
            return self.refuse(503)
        if parts[2] == "cdn":  # a signed address: no token
            return self.cdn(repo, revision, path, body)
        if repo in hub.private and not self.allowed():
            return self.refuse(401, "RepoNotFound")
        if repo in hub.gated:
            return self.refuse(403, "GatedRepo")
        if not hub.exists(repo):
            return self.refuse(404, "RepoNotFound")
        found = hub.files(repo, revision)
        if found is None:
            return self.refuse(404, "RevisionNotFound")
        commit, files = found
        if path not in files:
            return self.refuse(404, "EntryNotFound")
        data = files[path]
        tag = f'"{hashlib.sha256(data).hexdigest()}"'
        if len(data) > LARGE:  # LFS: the file is elsewhere, and has headers of its own
            port = self.server.server_address[1]
            self.send_response(302)  # to another host's name: the client looks at that
            self.send_header("Location", f"http://localhost:{port}/{repo}/cdn/{commit}/{path}")
            self.send_header("X-Linked-Size", str(len(data)))
            self.send_header("X-Linked-Etag", tag)
            self.send_header("ETag", f'"{hashlib.sha1(data).hexdigest()}"')  # of the pointer
            self.send_header("Content-Length", "0")
        else:
            self.send_response(200)
            self.send_header("ETag", tag)
            self.send_header("Content-Length", str(len(data)))
        self.send_header("X-Repo-Commit", commit)
        self.end_headers()
        return self.send(repo, data) if body and len(data) <= LARGE else None

    def cdn(self, repo, commit, path, body):
        """A large file, or the rest of it (the client asks for that after a first 10 MiB)."""
        data = self.server.files(repo, commit)[1][path]
        asked = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        start = int(asked[1]) if asked else 0
        if asked:
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
        else:
            self.send_response(200)
        self.send_header("Content-Length", str(len(data) - start))
        self.end_headers()
        return self.send(repo, data[start:]) if body else None

    def send(self, repo, data):
        hub = self.server
        large = len(data) > LARGE
        if repo in hub.cut_once and large:
            hub.cut_once.discard(repo)
            self.wfile.write(data[:20_000])
            self.wfile.flush()
            self.close_connection = True
            return
        if repo in hub.stall_once and large:
            hub.stall_once.discard(repo)
            self.wfile.write(data[:20_000])
            self.wfile.flush()
            time.sleep(3)
            self.close_connection = True
            return
        pause = hub.slow.get(repo)
        for i in range(0, len(data), 10_000):
            self.wfile.write(data[i : i + 10_000])
            if pause and large:
                self.wfile.flush()
                time.sleep(pause)

    # -------------------------------------------------------------- uploads

    def info(self, repo, revision):
        hub = self.server
        if not hub.exists(repo):
            return self.refuse(404, "RepoNotFound")
        found = hub.files(repo, revision)
        if found is None:
            return self.refuse(404, "RevisionNotFound")
        private = hub.visible.get(repo, "public") == "private"
        return self.reply(200, {"id": repo, "sha": found[0], "private": private, "siblings": []})

    def do_POST(self):
        hub, parts, body = self.server, self.parts(), self.body()
        hub.requests[f"POST {'/'.join(parts)}"] += 1
        if parts == ["api", "validate-yaml"]:
            return self.reply(200, {"warnings": [], "errors": []})
        if not self.allowed():
            return self.refuse(401)
        if parts == ["api", "repos", "create"]:
            return self.create(json.loads(body))
        if parts[:2] == ["api", "models"]:
            repo, what = "/".join(parts[2:4]), parts[4]
            if not hub.exists(repo):
                return self.refuse(404, "RepoNotFound")
            if repo in hub.read_only:
                return self.refuse(403)
            if what == "branch":
                return self.branch(repo, parts[5])
            if what == "preupload":
                return self.preupload(json.loads(body))
            if what == "commit" and repo in hub.refuse_commits:
                return self.refuse(400)
            if what == "commit":
                return self.commit(repo, parts[5], body)
        if parts[2:] == ["info", "lfs", "objects", "batch"]:
            return self.batch(json.loads(body))
        return self.refuse(404)

    def do_PUT(self):
        data = self.body()
        self.server.blobs[self.parts()[-1]] = data
        self.reply(200, {})

    def do_DELETE(self):
        parts = self.parts()
        if not self.allowed():
            return self.refuse(401)
        if parts[:2] == ["api", "models"] and parts[4] == "branch":
            del self.server.branches["/".join(parts[2:4]), parts[5]]
            return self.reply(200, {})
        return self.refuse(404)

    def create(self, wanted):
        hub = self.server
        repo = f"{wanted.get('organization') or 'me'}/{wanted['name']}"
        url = f"http://127.0.0.1:{hub.server_port}/{repo}"
        if hub.exists(repo):
            return self.reply(409, {"error": "You already created this model repo", "url": url})
        hub.visible[repo] = wanted.get("visibility") or "public"
        hub.branches[repo, "main"] = ("1" * 40, {".gitattributes": b""})
        return self.reply(200, {"url": url})

    def branch(self, repo, branch):
        hub = self.server
        if (repo, branch) in hub.branches:
            return self.reply(409, {"error": "Reference already exists"})
        commit, files = hub.branches[repo, "main"]
        hub.branches[repo, branch] = (commit, dict(files))
        return self.reply(200, {})

    def preupload(self, wanted):
        files = [
            {
                "path": f["path"],
                "uploadMode": "lfs" if f["path"].endswith(LFS_SUFFIXES) else "regular",
                "shouldIgnore": False,
            }
            for f in wanted["files"]
        ]
        self.reply(200, {"files": files})

    def batch(self, wanted):
        address = f"http://127.0.0.1:{self.server.server_port}/upload"
        objects = [
            o
            | (
                {}
                if o["oid"] in self.server.blobs
                else {"actions": {"upload": {"href": f"{address}/{o['oid']}"}}}
            )
            for o in wanted["objects"]
        ]
        self.reply(200, {"transfer": "basic", "objects": objects})

    def commit(self, repo, branch, body):
        hub = self.server
        header, *items = [json.loads(line) for line in body.splitlines()]
        commit, files = hub.branches[repo, branch]
        parent = header["value"].get("parentCommit")
        if parent != commit:
            return self.refuse(412)
        files = dict(files)
        for item in items:
            value = item["value"]
            if item["key"] == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            elif item["key"] == "lfsFile":
                data = hub.blobs[value["oid"]]
                if hashlib.sha256(data).hexdigest() != value["oid"]:
                    return self.refuse(400)
                files[value["path"]] = data
        number = hashlib.sha1(body).hexdigest()
        hub.branches[repo, branch] = (number, files)
        paths = sorted(item["value"]["path"] for item in items)
        hub.commits.setdefault(repo, []).append((branch, header["value"]["summary"], paths))
        url = f"http://127.0.0.1:{hub.server_port}/{repo}/commit/{number}"
        return self.reply(200, {"commitUrl": url, "commitOid": number, "pullRequestUrl": None})
