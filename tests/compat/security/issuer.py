"""A small issuer of OAuth tokens: POST /token by client credentials, GET /keys (JWKS). RS256, signed by openssl.

Which client asks decides what it gets: `worker` a good token; `expired`, `audience`, `issuer`, `unsigned`, `forged` (signed by a key that
the issuer does not publish), `nameless` (no subject) one that no broker may accept. /rotate makes a new key; the one before stays published.
"""

import base64
import http.server
import json
import re
import subprocess
import threading
import time
import urllib.parse
from pathlib import Path

AUDIENCE, SECRET, LIFE_S = "compat-brokers", "client-secret", 3600


def b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


class Key:
    def __init__(self, folder: Path, kid: str):
        self.kid, self.file = kid, folder / f"issuer-{kid}.key"
        subprocess.run(["openssl", "genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048", "-out", str(self.file)], check=True, capture_output=True)
        said = subprocess.run(["openssl", "rsa", "-in", str(self.file), "-noout", "-modulus"], check=True, capture_output=True, text=True).stdout
        self.modulus = bytes.fromhex(said.strip().partition("=")[2])

    def public(self) -> dict:
        return {"kty": "RSA", "use": "sig", "alg": "RS256", "kid": self.kid, "n": b64(self.modulus), "e": "AQAB"}

    def sign(self, data: bytes) -> bytes:
        return subprocess.run(["openssl", "dgst", "-sha256", "-sign", str(self.file)], input=data, check=True, capture_output=True).stdout


class Issuer:
    """`with Issuer(folder) as issuer`: it serves on a port of its own."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.keys = [Key(folder, "first")]
        self.hidden = Key(folder, "hidden")
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), self.handler())
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"

    def rotate(self):
        self.keys.append(Key(self.folder, f"key{len(self.keys)}"))

    def token(self, client: str) -> str:
        now = int(time.time())
        key = self.hidden if client == "forged" else self.keys[-1]
        head = {"alg": "none" if client == "unsigned" else "RS256", "typ": "JWT", "kid": self.keys[-1].kid}
        body = {"sub": client, "aud": AUDIENCE, "iss": self.url, "iat": now, "exp": now + LIFE_S, "scope": "kafka"}
        body |= {"expired": {"iat": now - 7200, "exp": now - 3600}, "audience": {"aud": "others"}, "issuer": {"iss": "http://elsewhere.example.org"}}.get(client, {})
        if client == "nameless":
            del body["sub"]
        signed = f"{b64(json.dumps(head).encode())}.{b64(json.dumps(body).encode())}"
        return f"{signed}." + ("" if client == "unsigned" else b64(key.sign(signed.encode())))

    def handler(self):
        issuer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def log_message(self, *_):
                pass

            def answer(self, value, code=200):
                data = json.dumps(value).encode()
                self.send_response(code)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def do_GET(self):
                if self.path == "/keys":
                    self.answer({"keys": [k.public() for k in issuer.keys]})
                elif self.path == "/rotate":
                    issuer.rotate()
                    self.answer({})
                else:
                    self.answer({"error": "not_found"}, 404)

            def do_POST(self):
                body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
                basic = re.fullmatch(r"Basic (\S+)", self.headers.get("Authorization", ""))
                client, _, secret = (base64.b64decode(basic[1]).decode() if basic else "").partition(":")
                if self.path != "/token" or secret != SECRET or urllib.parse.parse_qs(body).get("grant_type") != ["client_credentials"]:
                    return self.answer({"error": "invalid_client"}, 401)
                self.answer({"access_token": issuer.token(client), "token_type": "Bearer", "expires_in": LIFE_S})

        return Handler

    def __enter__(self):
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()
