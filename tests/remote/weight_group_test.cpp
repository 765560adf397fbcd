// What a trainer says to the ranks of a server: pickles, the store, packed buffers. NCCL and CUDA are those of tests/support/fakes.
#include "libgrpo/remote/weight_group.hpp"

#include "libgrpo/base/error.hpp"

#include <dlfcn.h>
#include <torch/csrc/distributed/c10d/TCPStore.hpp>

#include <catch2/catch.hpp>
#include <cstring>
#include <future>
#include <thread>

using namespace grpo;
using namespace grpo::remote;

namespace {

/// What Python writes for an ncclUniqueId whose byte i is 7 i + 3, by pickle.dumps of Python 3.11.
Bytes python_id() {
  const std::string head(
      "\x80\x04\x95\xec\0\0\0\0\0\0\0\x8c\x07_ctypes\x94\x8c\t_unpickle\x94\x93\x94\x8c"
      "4vllm.distributed.device_communicators.pynccl_wrapper\x94\x8c\x0cncclUniqueId\x94\x93\x94}\x94"
      "C\x80",
      111);
  const std::string tail("\x94\x86\x94\x86\x94R\x94.", 8);
  Bytes bytes(head.begin(), head.end());
  for (int i = 0; i < 128; ++i) bytes.push_back(static_cast<std::uint8_t>(7 * i + 3));
  bytes.insert(bytes.end(), tail.begin(), tail.end());
  return bytes;
}

NcclId counting_id() {
  NcclId id{};
  for (std::size_t i = 0; i < id.size(); ++i) id[i] = static_cast<std::uint8_t>(7 * i + 3);
  return id;
}

std::shared_ptr<const Gpu> gpu() { return std::make_shared<Gpu>(GRPO_FAKE_NCCL, GRPO_FAKE_CUDA); }

/// Another rank of a group: the store and the library, used directly.
struct Peer {
  void* library = dlopen(GRPO_FAKE_NCCL, RTLD_NOW);
  c10::intrusive_ptr<c10d::TCPStore> store;
  void* communicator = nullptr;
  int broadcasts = 0;

  template <class... Arguments>
  int call(const char* name, Arguments... arguments) const {
    return reinterpret_cast<int (*)(Arguments...)>(dlsym(library, name))(arguments...);
  }
  void meet(int port, int rank, int size) {
    c10d::TCPStoreOptions options;
    options.port = static_cast<std::uint16_t>(port);
    options.isServer = rank == 0;
    options.numWorkers = static_cast<std::size_t>(size);
    options.useLibUV = false;
    options.timeout = std::chrono::seconds(20);
    store = c10::make_intrusive<c10d::TCPStore>("127.0.0.1", options);
    NcclId id{};
    if (rank == 0) {
      call("ncclGetUniqueId", &id);
      store->set("broadcast_from/0/0", pickle_id(id));
    } else {
      id = read_pickled_id(store->get("broadcast_from/0/0")).value();
    }
    REQUIRE(call("ncclCommInitRank", &communicator, size, id, rank) == 0);
    float one = 0.0F;
    REQUIRE(call("ncclAllReduce", static_cast<const void*>(&one), static_cast<void*>(&one), std::size_t{1}, 7, 0, communicator,
                 static_cast<void*>(nullptr)) == 0);
  }
  std::vector<char> receive(std::size_t count, std::size_t bytes, int type, int root) {
    std::vector<char> data(bytes);
    REQUIRE(call("ncclBroadcast", static_cast<const void*>(data.data()), static_cast<void*>(data.data()), count, type, root, communicator,
                 static_cast<void*>(nullptr)) == 0);
    return data;
  }
};

bool holds(const std::vector<char>& data, std::size_t offset, const at::Tensor& tensor) {
  return data.size() >= offset + tensor.nbytes() && std::memcmp(data.data() + offset, tensor.const_data_ptr(), tensor.nbytes()) == 0;
}

NamedTensors some_tensors() {
  return {{"a", at::arange(6, at::kFloat).view({2, 3})},       // 24 bytes
          {"b", at::arange(5, at::kFloat).to(at::kBFloat16)},  // 10
          {"c", at::arange(40, at::kFloat).to(at::kHalf)},     // 80
          {"d", at::full({1}, 7.0F)}};                         // 4
}

}  // namespace

TEST_CASE("an NCCL id is pickled as Python pickles it, and read back") {
  CHECK(pickle_id(counting_id()) == python_id());
  CHECK(read_pickled_id(python_id()) == counting_id());
  Bytes newer = python_id();
  newer[1] = 5;  // protocol 5 says the same
  CHECK(read_pickled_id(newer) == counting_id());
  Bytes plain = {0x80, 2};  // no frame, and memos by number, as older protocols have them
  const Bytes framed = python_id();
  for (std::size_t i = 11; i < framed.size(); ++i) {
    if (framed[i] == 0x94 && (i < 111 || i >= 239))
      plain.insert(plain.end(), {'q', 0});
    else
      plain.push_back(framed[i]);
  }
  CHECK(read_pickled_id(plain) == counting_id());
}

TEST_CASE("a text is pickled as Python pickles it, and read back") {
  const std::string text(
      "\x80\x04\x95\x0f\0\0\0\0\0\0\0\x8c\x0b"
      "barrier_abc\x94.",
      26);
  CHECK(pickle_text("barrier_abc") == Bytes(text.begin(), text.end()));
  CHECK(read_pickled_text(Bytes(text.begin(), text.end())) == "barrier_abc");
  CHECK_THROWS_AS(pickle_text(std::string(256, 'x')), Error);
}

TEST_CASE("what is no pickle of an id alone is refused, wherever it is cut or changed") {
  const Bytes good = python_id();
  for (std::size_t size = 0; size < good.size(); ++size)
    CHECK_FALSE(read_pickled_id(Bytes(good.begin(), good.begin() + static_cast<std::ptrdiff_t>(size))));
  Bytes longer = good;
  longer.push_back('.');
  CHECK_FALSE(read_pickled_id(longer));
  const std::string system("\x80\x04\x8c\x02os\x8c\x06system\x93\x8c\x04true\x85R.", 24);
  CHECK_FALSE(read_pickled_id(Bytes(system.begin(), system.end())));
  CHECK_FALSE(read_pickled_text(Bytes(system.begin(), system.end())));
  CHECK_FALSE(read_pickled_text(good));
  for (std::size_t i = 13; i < good.size(); ++i) {  // a changed opcode or name; bytes of the id and its module may be any
    if ((i >= 37 && i < 89) || (i >= 111 && i < 239)) continue;
    Bytes bad = good;
    bad[i] = 'Z';
    INFO(i);
    CHECK_FALSE(read_pickled_id(bad));
  }
  Bytes huge = {0x80, 4, 'X', 0xFF, 0xFF, 0xFF, 0xFF, 'a', '.'};  // a length beyond the end
  CHECK_FALSE(read_pickled_text(huge));
}

TEST_CASE("packed buffers end with the tensor that passes the limit") {
  const auto tensors = some_tensors();
  using Ends = std::vector<std::size_t>;
  CHECK(packed_ends(tensors, 1000) == Ends{4});
  CHECK(packed_ends(tensors, 33) == Ends{2, 3, 4});  // 34 > 33
  CHECK(packed_ends(tensors, 34) == Ends{3, 4});     // 34 is not more than 34
  CHECK(packed_ends(tensors, 1) == Ends{1, 2, 3, 4});
  CHECK(packed_ends(tensors, 117) == Ends{4});  // all of it passes the limit with the last
  CHECK(packed_ends({}, 1).empty());
}

TEST_CASE("rank 0 holds the store and sends tensors, one by one and packed") {
  const auto [listening, port] = listen_at("127.0.0.1", 0);
  std::vector<Peer> peers(2);
  const auto tensors = some_tensors();
  std::vector<std::thread> threads;
  std::vector<std::vector<std::vector<char>>> got(2);
  for (int i = 0; i < 2; ++i)
    threads.emplace_back([&, i, port = port] {
      Peer& peer = peers[static_cast<std::size_t>(i)];
      peer.meet(port, i + 1, 3);
      auto& mine = got[static_cast<std::size_t>(i)];
      mine.push_back(peer.receive(6, 24, 7, 0));
      mine.push_back(peer.receive(5, 10, 9, 0));
      mine.push_back(peer.receive(114, 114, 1, 0));
      mine.push_back(peer.receive(4, 4, 1, 0));
    });
  WeightGroup group(gpu());
  group.meet({"127.0.0.1", port, 0, 3, listening, 20.0});
  group.send(tensors[0].second);
  group.send(tensors[1].second);
  group.send_packed(tensors, 0, 3);
  group.send_packed(tensors, 3, 4);
  for (auto& thread : threads) thread.join();
  for (const auto& mine : got) {
    CHECK(holds(mine[0], 0, tensors[0].second));
    CHECK(holds(mine[1], 0, tensors[1].second));
    CHECK((holds(mine[2], 0, tensors[0].second) && holds(mine[2], 24, tensors[1].second) && holds(mine[2], 34, tensors[2].second)));
    CHECK(holds(mine[3], 0, tensors[3].second));
  }
}

TEST_CASE("the last rank joins a group of another's, sends and keeps its barriers") {
  const auto [listening, port] = listen_at("127.0.0.1", 0);
  ::close(listening);  // the other rank takes it
  const at::Tensor tensor = at::arange(1000, at::kFloat);
  Peer worker;
  auto other = std::async(std::launch::async, [&, port = port] {
    worker.meet(port, 0, 2);
    auto data = worker.receive(1000, 4000, 7, 1);
    worker.store->set("broadcast_from/0/1", pickle_text("barrier_x"));
    worker.store->set("arrival_barrier_x_0", Bytes{'1'});
    worker.store->wait({"arrival_barrier_x_1", "departure_barrier_x_1"}, std::chrono::seconds(20));
    return data;
  });
  WeightGroup group(gpu());
  group.meet({"127.0.0.1", port, 1, 2, -1, 20.0});
  group.send(tensor);
  group.barrier(20.0);
  CHECK(holds(other.get(), 0, tensor));
  worker.store->set("broadcast_from/0/2", pickle_text("barrier_y"));
  CHECK_THROWS_WITH(group.barrier(0.2), Catch::Contains("rank 1 of 2") && Catch::Contains("barrier"));  // rank 0 does not come
}

TEST_CASE("who does not come, and libraries that are not there, are named") {
  const auto [listening, port] = listen_at("127.0.0.1", 0);
  WeightGroup group(gpu());
  CHECK_THROWS_WITH(group.meet({"127.0.0.1", port, 0, 2, listening, 0.3}), Catch::Contains("rank 0 of 2 waited at 127.0.0.1"));
  CHECK_THROWS_WITH(Gpu("libnccl_nowhere.so", GRPO_FAKE_CUDA), Catch::Contains("NCCL cannot be opened"));
  CHECK_THROWS_WITH(Gpu(GRPO_FAKE_CUDA, GRPO_FAKE_CUDA), Catch::Contains("has no function ncclGetUniqueId"));
  CHECK_THROWS_WITH(Gpu(GRPO_FAKE_NCCL, GRPO_FAKE_CUDA, 3), Catch::Contains("CUDA_ERROR_INVALID_DEVICE"));
  CHECK(gpu()->uuid() == "10111213-1415-1617-1819-1a1b1c1d1e1f");
  CHECK(own_address_towards("127.0.0.1", 8000) == "127.0.0.1");
}

TEST_CASE("a broadcast that nobody takes is broken off from another thread") {
  const auto [listening, port] = listen_at("127.0.0.1", 0);
  Peer idle;
  std::thread thread([&, port = port] { idle.meet(port, 1, 2); });
  WeightGroup group(gpu());
  group.meet({"127.0.0.1", port, 0, 2, listening, 20.0});
  thread.join();
  auto sending = std::async(std::launch::async, [&] { group.send(at::zeros({64 << 20}, at::kByte)); });
  CHECK(sending.wait_for(std::chrono::milliseconds(300)) == std::future_status::timeout);
  group.break_off();
  CHECK_THROWS_AS(sending.get(), Error);
}

TEST_CASE("a meeting that nobody comes to is broken off, and its port is free again") {
  const auto [listening, port] = listen_at("127.0.0.1", 0);
  auto group = std::make_unique<WeightGroup>(gpu());
  auto meeting = std::async(std::launch::async, [&, port = port, listening = listening] {
    group->meet({"127.0.0.1", port, 0, 3, listening, 60.0});
  });
  CHECK(meeting.wait_for(std::chrono::milliseconds(300)) == std::future_status::timeout);
  CHECK_THROWS_WITH(listen_at("127.0.0.1", port), Catch::Contains("--vllm_group_port"));
  group->break_off();
  REQUIRE(meeting.wait_for(std::chrono::seconds(5)) == std::future_status::ready);
  CHECK_THROWS_WITH(meeting.get(), Catch::Contains("rank 0 of 3 waited"));
  group.reset();
  ::close(listen_at("127.0.0.1", port).first);
}
