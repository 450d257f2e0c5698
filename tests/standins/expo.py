"""Stands in for Expo's API and its hosting, as far as `eas deploy` needs them. The tool looks for the API at
http://127.0.0.1:3000 when EXPO_LOCAL is set; files are uploaded over TLS with the certificate that is given.

    expo.py TOKEN CERTIFICATE KEY

`GET /__recorded` tells what was deployed. Every content is compared with its hash, and a deployment is live only when all
of it is there."""

import gzip
import hashlib
import io
import json
import re
import ssl
import sys
import tarfile
import threading
from email.parser import BytesParser
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

TOKEN, CERTIFICATE, KEY = sys.argv[1:]
PROJECT = "5ab9c0de-0000-4000-8000-0123456789ab"
ACCOUNT = {
    "__typename": "Account",
    "id": "account-1",
    "name": "acme",
    "ownerUserActor": {"__typename": "User", "id": "user-1", "username": "test-person"},
    "users": [{"__typename": "UserPermission", "role": "OWNER", "actor": {"__typename": "User", "id": "user-1"}}],
}
lock = threading.Lock()
# By identifier: the files' hashes, whether it is whole, and what its manifest says.
deployments = {}
contents = set()
state = {"production": None, "aliases": {}, "operations": []}


def url(identifier):
    return f"https://shop--{identifier}.expo.app"


def app():
    return {
        "__typename": "App",
        "id": PROJECT,
        "name": "Shop",
        "fullName": "@acme/shop",
        "slug": "shop",
        "ownerAccount": ACCOUNT,
        "githubRepository": None,
        "profileImageUrl": None,
        "icon": None,
    }


def answer(query, variables, port):
    """The data of a GraphQL operation, or an error's text and code."""
    name = re.search(r"(?:query|mutation)\s+(\w+)", query)
    state["operations"].append(name.group(1) if name else "?")
    if "meActor" in query:
        actor = {"__typename": "Robot", "id": "robot-1", "firstName": "test-person", "featureGates": {}}
        return {"meActor": {**actor, "accounts": [ACCOUNT], "isExpoAdmin": False}}
    if "byId" in query:
        if variables.get("appId") != PROJECT:
            return f"Experience with id '{variables.get('appId')}' does not exist.", "EXPERIENCE_NOT_FOUND"
        return {"app": {"__typename": "AppQuery", "byId": app()}}
    if "createSignedDeploymentUrl" in query:
        identifier = variables.get("deploymentIdentifier") or "random0001"
        signed = {
            "__typename": "DeploymentSignedUrlResult",
            "pendingWorkerDeploymentId": f"pending-{identifier}",
            "deploymentIdentifier": identifier,
            "url": f"https://localhost:{port}/deploy?id={identifier}&signature=once",
        }
        return {"deployments": {"__typename": "DeploymentsMutation", "createSignedDeploymentUrl": signed}}
    if "assignAlias" in query:
        identifier = variables.get("deploymentId") or variables.get("deploymentIdentifier")
        if not deployments.get(identifier, {}).get("whole"):
            return "Deployment not found", "WORKER_DEPLOYMENT_NOT_FOUND"
        alias = variables.get("aliasName")
        if alias is None:
            state["production"] = identifier
        else:
            state["aliases"][alias] = identifier
        worker = {"__typename": "WorkerDeployment", "id": f"id-{identifier}", "url": url(identifier)}
        worker |= {"deploymentIdentifier": identifier, "createdAt": "2026-01-01T00:00:00Z", "deploymentDomain": "x"}
        worker |= {"logs": None, "crashes": None, "requests": None, "environment": None}
        found = {"__typename": "WorkerDeploymentAlias", "id": f"alias-{alias}", "aliasName": alias}
        found |= {"url": f"https://shop--{alias}.expo.app" if alias else "https://shop.expo.app"}
        found |= {"workerDeployment": worker}
        return {"deployments": {"__typename": "DeploymentsMutation", "assignAlias": found}}
    return f"no such operation here: {query[:300]}", "UNKNOWN"


def multipart(content_type, body):
    """Field names and bytes."""
    message = BytesParser().parsebytes(b"content-type: " + content_type.encode() + b"\r\n\r\n" + body)
    for part in message.get_payload():
        yield part.get_param("name", header="content-disposition"), part.get_payload(decode=True)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def body(self):
        if self.headers.get("transfer-encoding", "").lower() != "chunked":
            return self.rfile.read(int(self.headers.get("content-length") or 0))
        whole = b""
        while True:
            size = int(self.rfile.readline().split(b";")[0], 16)
            whole += self.rfile.read(size)
            self.rfile.readline()
            if size == 0:
                return whole

    def reply(self, status, value):
        text = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def refuse(self, why):
        self.reply(400, {"success": False, "message": why, "error": why})


class Api(Handler):
    def do_GET(self):
        if self.path == "/__recorded":
            with lock:
                self.reply(200, {"deployments": deployments, **state})
                state["operations"] = []
        else:
            self.reply(404, {"errors": [{"message": self.path, "code": "NOT_FOUND"}]})

    def do_POST(self):
        body = self.body()
        if self.headers.get("authorization") != f"Bearer {TOKEN}":
            return self.reply(401, {"errors": [{"message": "The bearer token is invalid.", "code": "UNAUTHORIZED"}]})
        if self.path != "/graphql":
            return self.reply(404, {"errors": [{"message": self.path, "code": "NOT_FOUND"}]})
        asked = json.loads(body)
        with lock:
            found = answer(asked["query"], asked.get("variables") or {}, uploads.server_address[1])
        if isinstance(found, tuple):
            message, code = found
            error = {"message": message, "extensions": {"errorCode": code}}
            return self.reply(200, {"data": None, "errors": [error]})
        return self.reply(200, {"data": found})


class Uploads(Handler):
    def do_POST(self):
        asked, body = urlsplit(self.path), self.body()
        query = {key: values[0] for key, values in parse_qs(asked.query).items()}
        if self.headers.get("content-encoding") == "gzip":
            body = gzip.decompress(body)
        with lock:
            if asked.path == "/deploy" and query.get("signature") == "once":
                return self.deploy(query["id"], body)
            identifier = query.get("token", "").removeprefix("token-")
            if identifier not in deployments:
                return self.refuse("no such token")
            if asked.path == "/deploy/finalize":
                wanted = {one["sha512"] for one in deployments[identifier]["files"].values()}
                deployments[identifier]["whole"] = wanted <= contents
                return self.reply(200, {"success": deployments[identifier]["whole"]})
            if asked.path == "/asset/batch":
                parts = list(multipart(self.headers["content-type"], body))
            else:
                parts = [(asked.path.rsplit("/", 1)[1], body)]
            for name, content in parts:
                if hashlib.sha512(content).hexdigest() != name:
                    return self.refuse("the content has another hash")
                contents.add(name)
            return self.reply(200, {"success": True, "result": {}})

    do_PATCH = do_POST

    def deploy(self, identifier, body):
        with tarfile.open(fileobj=io.BytesIO(body), mode="r:gz") as tar:
            members = {one.name: tar.extractfile(one).read() for one in tar.getmembers()}
        files = json.loads(members["assets.json"])
        files = {path: one if isinstance(one, dict) else {"sha512": one} for path, one in files.items()}
        deployments[identifier] = {
            "files": files,
            "manifest": json.loads(members["manifest.json"]),
            "also": sorted(name for name in members if name not in ("assets.json", "manifest.json")),
            "whole": False,
        }
        missing = sorted({one["sha512"] for one in files.values()} - contents)
        # The first alone, the others together, as Expo groups small files.
        upload = [{"sha512": group} for group in (missing[:1], missing[1:]) if group]
        result = {"id": identifier, "fullName": f"shop--{identifier}", "token": f"token-{identifier}", "upload": upload}
        return self.reply(200, {"success": True, "result": result})


uploads = ThreadingHTTPServer(("127.0.0.1", 0), Uploads)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(CERTIFICATE, KEY)
uploads.socket = context.wrap_socket(uploads.socket, server_side=True)
threading.Thread(target=uploads.serve_forever, daemon=True).start()
api = ThreadingHTTPServer(("127.0.0.1", 3000), Api)
print("ready", flush=True)
api.serve_forever()
