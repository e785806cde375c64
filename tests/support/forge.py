"""A small forge: `git http-backend` behind TLS and basic authentication, and the faults that a test asks for.

Usage: forge.py ROOT FOLDER [plain]. ROOT holds bare repositories; FOLDER holds cert.pem and key.pem, and `mode`, which is
read at every request:
  ok | 302 LOCATION | status CODE | hang | endless | die | echo
"""

import base64
import http.server
import os
import socketserver
import ssl
import subprocess
import sys
import time

ROOT, FOLDER = sys.argv[1:3]
ACCOUNT = "Basic " + base64.b64encode(b"ada:hunter2-of-ada").decode()


class Forge(http.server.BaseHTTPRequestHandler):
    def mode(self):
        with open(os.path.join(FOLDER, "mode")) as file:
            return file.read().split()

    def log_message(self, text, *args):
        given = self.headers.get("Authorization", "-") if hasattr(self, "headers") else "-"
        with open(os.path.join(FOLDER, "requests"), "a") as file:
            file.write(f"{self.command} {self.path} {'account' if given == ACCOUNT else given}\n")

    def answer(self, code, headers=(), body=b""):
        self.send_response(code)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        mode = self.mode()
        path, _, query = self.path.partition("?")
        if mode[0] == "hang":
            time.sleep(600)
        if mode[0] == "302" and not path.startswith("/moved/"):
            return self.answer(302, [("Location", mode[1] + path + "?" + query)])
        if mode[0] == "status":
            return self.answer(int(mode[1]))
        if mode[0] == "endless":
            self.send_response(200)
            self.send_header("Content-Type", "application/x-git-upload-pack-advertisement")
            self.end_headers()
            line = b"0" * 40 + b" refs/heads/" + b"x" * 80 + b"\n"
            while True:
                self.wfile.write((b"%04x" % (len(line) + 4) + line) * 500)
        if path.startswith("/moved/"):
            path = path[len("/moved") :]
        if path.startswith("/private/"):
            given = self.headers.get("Authorization")
            if given != ACCOUNT:
                said = base64.b64decode(given.split()[1]) if given and mode[0] == "echo" else b""
                return self.answer(401, [("WWW-Authenticate", 'Basic realm="forge"'), ("Content-Type", "text/plain")], said)
            path = path[len("/private") :]
        self.backend(path, query, mode)

    do_POST = do_GET

    def backend(self, path, query, mode):
        length = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(length)
        env = {
            "PATH": os.environ["PATH"], "GIT_PROJECT_ROOT": ROOT, "GIT_HTTP_EXPORT_ALL": "1", "PATH_INFO": path,
            "QUERY_STRING": query, "REQUEST_METHOD": self.command, "CONTENT_LENGTH": str(length),
            "CONTENT_TYPE": self.headers.get("Content-Type", ""), "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""),
            "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""), "REMOTE_USER": "ada", "HOME": FOLDER,
            "GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "safe.directory", "GIT_CONFIG_VALUE_0": "*",
        }
        ran = subprocess.run(["git", "http-backend"], input=body, env=env, stdout=subprocess.PIPE)
        head, _, answer = ran.stdout.partition(b"\r\n\r\n")
        lines = dict(line.split(": ", 1) for line in head.decode().split("\r\n"))
        self.send_response(int(lines.pop("Status", "200").split()[0]))
        for name, value in lines.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        # A fetch, as git names it, and not the listing before it.
        if mode[0] == "die" and b"command=fetch" in body:
            self.wfile.write(answer[: len(answer) // 2])
            self.wfile.flush()
            os._exit(1)
        self.wfile.write(answer)


class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
    daemon_threads = True

    def finish_request(self, request, address):
        if "plain" not in sys.argv:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(os.path.join(FOLDER, "cert.pem"), os.path.join(FOLDER, "key.pem"))
            request = context.wrap_socket(request, server_side=True)
        super().finish_request(request, address)

    def handle_error(self, request, address):
        pass


server = Server(("127.0.0.1", 0), Forge)
print(server.server_port, flush=True)
server.serve_forever()
