"""Many clients of one server at once, each asking again as soon as it is answered: POST /v1/completions, plain HTTP."""

import dataclasses
import http.client
import json
import threading
import time


@dataclasses.dataclass
class Load:
    seconds: float
    tokens: int        # of requests that ended in time
    latencies: list    # seconds of each of them, sorted
    failures: list     # what was answered that was no completion

    @property
    def speed(self):
        return self.tokens / self.seconds

    def percentile(self, share):
        if not self.latencies:
            return float("inf")
        return self.latencies[min(len(self.latencies) - 1, int(share * len(self.latencies)))]


def _client(port, body, deadline, done, failures):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=600)
    while time.monotonic() < deadline:
        begin = time.monotonic()
        try:
            connection.request("POST", "/v1/completions", body(), {"Content-Type": "application/json"})
            answer = connection.getresponse()
            text = answer.read()
            if answer.status == 429:  # asked to wait
                time.sleep(min(1.0, float(answer.headers.get("Retry-After", "1"))))
                continue
            if answer.status != 200:
                raise ValueError(f"{answer.status} {text[:200]!r}")
            tokens = json.loads(text)["usage"]["completion_tokens"]
        except (OSError, ValueError, KeyError, http.client.HTTPException) as error:
            if time.monotonic() < deadline:
                failures.append(f"{type(error).__name__}: {error}")
            connection.close()
            continue
        end = time.monotonic()
        if end <= deadline:
            done.append((end - begin, tokens))
    connection.close()


def run(port, clients, seconds, prompts, max_tokens):
    """`clients` threads for `seconds`; requests under way at the end are waited for no longer than a second, and do not count."""
    done, failures, lock, asked = [], [], threading.Lock(), [0]

    def body():
        with lock:
            asked[0] += 1
            number = asked[0]
        return json.dumps({"model": "model", "prompt": prompts[number % len(prompts)], "max_tokens": max_tokens, "temperature": 1.0, "seed": number})

    deadline = time.monotonic() + seconds
    threads = [threading.Thread(target=_client, args=(port, body, deadline, done, failures), daemon=True) for _ in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(max(0.0, deadline + 1.0 - time.monotonic()))
    finished = list(done)
    return Load(seconds, sum(tokens for _, tokens in finished), sorted(latency for latency, _ in finished), list(failures))
