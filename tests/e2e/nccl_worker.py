#!/usr/bin/env python3
"""A server with vLLM's or TRL's weight protocol, for tests without a GPU: python3 nccl_worker.py PORT GRPO_SERVE_URL MODEL_FOLDER OUT_FOLDER

What takes weights is the packages' own code: vLLM's NCCLWeightTransferEngine (StatelessProcessGroup, PyNcclCommunicator, packed consumer) and
TRL's WeightSyncWorkerExtension, on libnccl.so.2 of tests/support/fakes. Replaced are what insists on a GPU (streams, the current device) and
the model, which keeps what it is given: as OUT_FOLDER/update-N/model.safetensors, loaded by the grpo_serve that completions come from.
POST /stub {"version", "kind", "restart"} makes it a vLLM of that version or TRL's server, or as one that was started anew.
"""

import contextlib
import http.client
import http.server
import json
import os
import pathlib
import queue
import shutil
import sys
import threading
import types

PORT, SERVE, MODEL, OUT = int(sys.argv[1]), sys.argv[2].removeprefix("http://"), pathlib.Path(sys.argv[3]), pathlib.Path(sys.argv[4])

import torch  # noqa: E402
import vllm.distributed.device_communicators.pynccl as pynccl  # noqa: E402
import vllm.distributed.parallel_state as parallel_state  # noqa: E402
import vllm.distributed.utils as group_utils  # noqa: E402
import vllm.distributed.weight_transfer.nccl_common as nccl_common  # noqa: E402
import vllm.distributed.weight_transfer.nccl_engine as nccl_engine  # noqa: E402
import vllm.distributed.weight_transfer.packed_tensor as packed_tensor  # noqa: E402
from safetensors.torch import save_file  # noqa: E402
from trl.scripts.vllm_serve import WeightSyncWorkerExtension  # noqa: E402

# What insists on a GPU.
STREAM = types.SimpleNamespace(cuda_stream=0, synchronize=lambda: None)
torch.accelerator.device_index = lambda _: contextlib.nullcontext()
torch.accelerator.current_device_index = lambda: 0
torch.cuda.current_stream = lambda *_: STREAM
torch.cuda.stream = lambda _: contextlib.nullcontext()
torch.cuda.get_device_properties = lambda _: types.SimpleNamespace(uuid="of the server")
pynccl.current_stream = lambda: STREAM
packed_tensor._get_streams = lambda _, count: (STREAM,) * count
parallel_state.get_world_group = lambda: types.SimpleNamespace(rank=0)
join = nccl_common.stateless_init_process_group
nccl_common.stateless_init_process_group = lambda *place, device: join(*place, device="cpu")
create = group_utils.StatelessProcessGroup.create
group_utils.StatelessProcessGroup.create = staticmethod(lambda host, **rest: create(host="127.0.0.1" if host == "0.0.0.0" else host, **rest))


class Model:
    """Both packages give it weights by load_weights()."""

    def __init__(self):
        self.weights, self.count = {}, 0

    def load_weights(self, weights):
        self.weights.update((name, tensor.clone()) for name, tensor in weights)

    def serve(self):
        folder = OUT / f"update-{self.count}"
        folder.mkdir()
        shutil.copy(MODEL / "config.json", folder)
        save_file(self.weights, str(folder / "model.safetensors"), {"format": "pt"})
        self.weights, self.count = {}, self.count + 1
        ask("POST", "/update_weights", json.dumps({"path": str(folder)}).encode())


def ask(method, path, data=None):
    """(status, body) of the grpo_serve behind."""
    connection = http.client.HTTPConnection(SERVE, timeout=60)
    connection.request(method, path, data, {"Content-Type": "application/json"})
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    return answer.status, body


class Server:
    def __init__(self):
        self.kind, self.version, self.model, self.seen, self.down = "vllm", "0.32.0", Model(), [], False
        self.start_anew()

    def start_anew(self):
        self.weight_version = "default"
        self.engine = object.__new__(nccl_engine.NCCLWeightTransferEngine)
        self.engine.model_update_group, self.engine.model, self.engine.device = None, self.model, torch.device("cpu")
        self.engine.packed, self.engine.packed_num_buffers = False, packed_tensor.DEFAULT_PACKED_NUM_BUFFERS
        self.engine.packed_buffer_size_bytes = packed_tensor.DEFAULT_PACKED_BUFFER_SIZE_BYTES
        self.engine.parallel_config = types.SimpleNamespace(data_parallel_index=0, world_size=1, rank=0)
        self.worker = WeightSyncWorkerExtension()
        self.worker.device, self.worker.model_runner = torch.device("cpu"), types.SimpleNamespace(model=types.SimpleNamespace(load_weights=lambda weights: self.model.load_weights(weights)))
        self.orders = queue.Queue()
        threading.Thread(target=self.work, args=(self.orders,), daemon=True).start()

    def work(self, orders):
        """A worker of TRL's server: calls come through a pipe, and nobody waits for most of them."""
        for call in iter(orders.get, None):
            call()

    # The routes, by path without a slash at the end. They return (status, JSON).

    def stub(self, body):
        self.kind, self.version = body.get("kind", self.kind), body.get("version", self.version)
        if body.get("restart"):
            self.down = True
            ask("POST", "/update_weights", json.dumps({"path": str(MODEL)}).encode())
            self.start_anew()
            self.down = False
        seen, self.seen = self.seen, []
        return 200, [entry for entry in seen if entry[0] != "/stub"]

    def init_weight_transfer_engine(self, body):
        info = nccl_common.NCCLWeightTransferInitInfo(**body["init_info"])
        self.engine.init_transfer_engine(info)
        return 200, {}

    def start_weight_update(self, _):
        return (200, {}) if self.version >= "0.21" else (404, {})

    def update_weights(self, body):
        if self.engine.model_update_group is None:
            return 500, {"error": {"message": "NCCL weight transfer not initialized"}}
        info = dict(body["update_info"])
        if self.version < "0.28":  # then the flag came with every update
            self.engine.packed = info.pop("packed", False)
        self.engine.receive_weights(nccl_engine.NCCLWeightTransferUpdateInfo(**info))
        if self.version < "0.21":
            self.model.serve()
        return 200, {}

    def finish_weight_update(self, _):
        self.model.serve()
        return 200, {}

    def update_weight_version(self, body):
        self.weight_version = body["new_version"]
        return 200, {}

    def init_communicator(self, body):
        self.orders.put(lambda: self.worker.init_communicator(body["host"], body["port"], body["world_size"], body["client_device_uuid"]))
        return 200, {"message": "Request received, initializing communicator"}

    def update_named_param(self, body):
        self.orders.put(lambda: self.worker.update_named_param(body["name"], body["dtype"], tuple(body["shape"])))
        return 200, {"message": "Request received, updating named parameter"}

    def close_communicator(self, _):
        self.orders.put(self.worker.close_communicator)
        return 200, {"message": "Request received, closing communicator"}

    def reset_prefix_cache(self, _):
        if self.kind == "trl":
            done = threading.Event()
            self.orders.put(done.set)
            done.wait(60)
            self.model.serve()
        return 200, {}


SERVER = Server()


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        path, trl = self.path.split("?")[0], SERVER.kind == "trl"
        if SERVER.down:
            self.reply(503, {})
        elif path.rstrip("/") == "/get_world_size":
            self.reply(200, {"world_size": 1})
        elif path == "/version" and not trl:
            self.reply(200, {"version": SERVER.version})
        elif path == "/weight_info" and not trl:
            self.reply(200, {"weight_version": SERVER.weight_version})
        elif path == "/v1/models" and not trl:
            self.answer(*ask("GET", path))
        else:
            self.reply(404, {})

    def do_POST(self):
        data = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if SERVER.down and self.path != "/stub":
            return self.reply(503, {})
        route = getattr(SERVER, self.path.strip("/"), None)
        if route is None:
            # The one field that the run sends to a vLLM and the server behind does not know.
            return self.answer(*ask("POST", self.path, data.replace(b',"add_special_tokens":false', b"").replace(b'"add_special_tokens":false,', b"")))
        body = json.loads(data or b"{}")
        SERVER.seen.append([self.path, body])
        try:
            self.reply(*route(body))
        except Exception as error:  # as vLLM: 500 with the reason
            self.reply(500, {"error": {"message": repr(error)}})

    def reply(self, status, answer):
        self.answer(status, json.dumps(answer).encode())

    def answer(self, status, body):
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        try:
            self.wfile.write(body)
        except OSError:
            pass

    def log_message(self, *_):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", PORT), Handler)
server.daemon_threads = True
threading.Thread(target=server.serve_forever, daemon=True).start()
print("ready", flush=True)
sys.stdin.read()  # ends with the test
os._exit(0)
