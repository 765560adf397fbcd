"""A headless Chromium, driven over its DevTools protocol: what a test of a page needs and no more. Needs websocket-client.

    with Browser(width, height, dark=False) as page:
        page.open("file:///...")
        page.evaluate("document.title")
"""

import base64
import json
import pathlib
import shutil
import subprocess
import tempfile
import time
import urllib.request

import websocket


def program():
    """Path of a Chromium or Chrome, or None."""
    return next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


class Browser:
    def __init__(self, width, height, dark=False):
        self.width, self.height, self.dark, self.last, self.events = width, height, dark, 0, []

    def __enter__(self):
        self.profile = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        self.process = subprocess.Popen([program(), "--headless=new", "--no-sandbox", "--disable-gpu", "--remote-debugging-port=0",
                                         "--no-first-run", f"--user-data-dir={self.profile.name}", "about:blank"],
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        port_file, deadline = pathlib.Path(self.profile.name) / "DevToolsActivePort", time.time() + 60
        while not port_file.exists() or len(port_file.read_text().split()) < 2:
            if time.time() > deadline or self.process.poll() is not None:
                raise RuntimeError("the browser does not start")
            time.sleep(0.05)
        port = port_file.read_text().split()[0]
        targets = json.load(urllib.request.urlopen(f"http://127.0.0.1:{port}/json/list"))
        page = next(t for t in targets if t["type"] == "page")
        self.socket = websocket.create_connection(page["webSocketDebuggerUrl"], timeout=60, suppress_origin=True)
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(domain + ".enable")
        self.call("Emulation.setDeviceMetricsOverride", width=self.width, height=self.height, deviceScaleFactor=1, mobile=self.width < 600)
        self.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": "dark" if self.dark else "light"}])
        return self

    def __exit__(self, *_):
        self.socket.close()
        self.process.terminate()
        self.process.wait(timeout=30)
        self.profile.cleanup()

    def call(self, method, **parameters):
        self.last += 1
        self.socket.send(json.dumps({"id": self.last, "method": method, "params": parameters}))
        while True:
            message = json.loads(self.socket.recv())
            if message.get("id") == self.last:
                if "error" in message:
                    raise RuntimeError(f"{method}: {message['error']}")
                return message["result"]
            self.events.append(message)

    def open(self, address):
        """Opens a page anew, also where only the part behind # differs."""
        self.call("Page.navigate", url="about:blank")
        self.events.clear()
        self.call("Page.navigate", url=address)
        deadline = time.time() + 30
        while self.evaluate("document.readyState + location.protocol") != "complete" + address.split("//")[0]:
            if time.time() > deadline:
                raise RuntimeError(f"{address} does not load")
            time.sleep(0.02)
        self.evaluate("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")

    def evaluate(self, code):
        result = self.call("Runtime.evaluate", expression=code, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in result:
            raise RuntimeError(str(result["exceptionDetails"]))
        return result["result"].get("value")

    def key(self, key):
        for kind in ("keyDown", "keyUp"):
            self.call("Input.dispatchKeyEvent", type=kind, key=key, text=key if kind == "keyDown" else "")

    def move(self, x, y):
        self.call("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y)

    def problems(self):
        """Exceptions and error messages of the page since it was opened, and requests that left it."""
        self.evaluate("1")
        found = []
        for event in self.events:
            if event["method"] == "Runtime.exceptionThrown" or (event["method"] == "Log.entryAdded" and event["params"]["entry"]["level"] == "error"):
                found.append(json.dumps(event["params"]))
            if event["method"] == "Network.requestWillBeSent" and not event["params"]["request"]["url"].startswith(("file:", "data:", "about:")):
                found.append("request " + event["params"]["request"]["url"])
        return found

    def screenshot(self, path):
        pathlib.Path(path).write_bytes(base64.b64decode(self.call("Page.captureScreenshot", format="png")["data"]))
