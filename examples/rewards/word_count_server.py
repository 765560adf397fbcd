#!/usr/bin/env python3
"""A reward as a server: the completions of a group in one POST. Standard library only.

    python3 examples/rewards/word_count_server.py --port 8123 &
    grpo_train --reward_funcs word_count --reward_url '{"word_count": "http://127.0.0.1:8123/"}' ...
"""

import argparse
import http.server
import json

from word_count import judge


class Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        items = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["items"]
        verdicts = [{"id": item["id"], **judge(item, self.server.most)} for item in items]
        body = json.dumps({"verdicts": verdicts}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, default=8123)
    parser.add_argument("--most", type=int, default=40)
    options = parser.parse_args()
    server = http.server.ThreadingHTTPServer(("127.0.0.1", options.port), Handler)
    server.most = options.most
    print(f"listening on 127.0.0.1:{server.server_port}", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
