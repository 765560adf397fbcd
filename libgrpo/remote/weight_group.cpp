#include "libgrpo/remote/weight_group.hpp"

#include "libgrpo/base/error.hpp"
#include "libgrpo/tensor/precompiled.hpp"

#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <torch/csrc/distributed/c10d/TCPStore.hpp>
#include <unistd.h>

#include <arpa/inet.h>
#include <fmt/format.h>
#include <cerrno>
#include <cstring>
#include <utility>

namespace grpo::remote {
namespace {

NcclType nccl_type(at::ScalarType type) {
  switch (type) {
    case at::kChar: return NcclType::int8;
    case at::kByte: return NcclType::uint8;
    case at::kInt: return NcclType::int32;
    case at::kLong: return NcclType::int64;
    case at::kHalf: return NcclType::float16;
    case at::kFloat: return NcclType::float32;
    case at::kDouble: return NcclType::float64;
    case at::kBFloat16: return NcclType::bfloat16;
    default: throw Error(ErrorKind::contract, fmt::format("tensors of type {} are not sent over NCCL", dtype_name(type)));
  }
}

/// IPv4, as vLLM's own store listens.
sockaddr_in resolved(const std::string& host, int port) {
  addrinfo hints{}, *found = nullptr;
  hints.ai_family = AF_INET;
  if (const int code = ::getaddrinfo(host.c_str(), nullptr, &hints, &found); code != 0 || found == nullptr)
    throw Error(ErrorKind::backend, fmt::format("{}: no IPv4 address is known: {}", host, ::gai_strerror(code)));
  sockaddr_in address{};
  std::memcpy(&address, found->ai_addr, sizeof address);
  ::freeaddrinfo(found);
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  return address;
}

/// c10d's errors have a stack behind the first line.
std::string first_line(const std::exception& error) {
  const std::string text = error.what();
  return text.substr(0, text.find('\n'));
}

struct Socket {
  int fd;
  explicit Socket(int type) : fd(::socket(AF_INET, type | SOCK_CLOEXEC, 0)) {}
  ~Socket() {
    if (fd >= 0) ::close(fd);
  }
};

sockaddr_in own_name(int fd) {
  sockaddr_in address{};
  socklen_t size = sizeof address;
  ::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size);
  return address;
}

}  // namespace

std::pair<int, int> listen_at(const std::string& host, int port) {
  const sockaddr_in address = resolved(host, port);
  Socket listener(SOCK_STREAM);
  const int on = 1;
  if (::setsockopt(listener.fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0 ||
      ::bind(listener.fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 || ::listen(listener.fd, SOMAXCONN) != 0)
    throw Error(ErrorKind::backend,
                fmt::format("cannot listen at {}:{}, where servers are to meet for weights: {}; name a port that is free "
                            "by --vllm_group_port, 0 for any",
                            host, port, std::strerror(errno)));
  const int got = ntohs(own_name(listener.fd).sin_port);
  return {std::exchange(listener.fd, -1), got};
}

std::string own_address_towards(const std::string& host, int port) {
  const sockaddr_in there = resolved(host, port);
  const Socket datagram(SOCK_DGRAM);  // connecting it sends nothing
  if (::connect(datagram.fd, reinterpret_cast<const sockaddr*>(&there), sizeof there) != 0)
    throw Error(ErrorKind::backend, fmt::format("{}: there is no way to it: {}", host, std::strerror(errno)));
  char text[INET_ADDRSTRLEN] = {};
  const in_addr own = own_name(datagram.fd).sin_addr;
  ::inet_ntop(AF_INET, &own, text, sizeof text);
  return text;
}

std::string_view dtype_name(at::ScalarType type) {
  switch (type) {
    case at::kBFloat16: return "bfloat16";
    case at::kHalf: return "float16";
    case at::kFloat: return "float32";
    case at::kDouble: return "float64";
    default: return c10::toString(type);
  }
}

std::vector<std::size_t> packed_ends(const NamedTensors& tensors, std::size_t limit) {
  std::vector<std::size_t> ends;
  std::size_t bytes = 0;
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    bytes += tensors[i].second.nbytes();
    if (bytes <= limit && i + 1 < tensors.size()) continue;
    ends.push_back(i + 1);
    bytes = 0;
  }
  return ends;
}

namespace {

c10d::TCPStoreOptions store_options(const Meeting& meeting, double seconds) {
  c10d::TCPStoreOptions options;
  options.port = static_cast<std::uint16_t>(meeting.port);
  options.numWorkers = static_cast<std::size_t>(meeting.size);
  options.timeout = std::chrono::milliseconds(static_cast<std::int64_t>(seconds * 1000.0));
  options.useLibUV = false;  // as vLLM's
  return options;
}

}  // namespace

struct WeightGroup::Store {
  c10::intrusive_ptr<c10d::TCPStore> tcp;
};

WeightGroup::WeightGroup(std::shared_ptr<const Gpu> gpu) : gpu_(std::move(gpu)) {}

WeightGroup::~WeightGroup() = default;

Bytes WeightGroup::next_from_rank_0() { return store_->tcp->get(fmt::format("broadcast_from/0/{}", heard_++)); }

void WeightGroup::meet(const Meeting& meeting) {
  meeting_ = meeting;
  c10d::TCPStoreOptions options = store_options(meeting, meeting.seconds);
  options.isServer = meeting.rank == 0;
  if (meeting.listening >= 0) options.masterListenFd = meeting.listening;
  NcclId id{};
  try {
    waits_ = options.isServer;
    store_ = std::make_unique<Store>(Store{c10::make_intrusive<c10d::TCPStore>(meeting.host, options)});
    waits_ = false;
    if (broken_) throw Error(ErrorKind::backend, "the server did not want to");
    if (meeting.rank == 0) {
      id = gpu_->new_id();
      store_->tcp->set("broadcast_from/0/0", pickle_id(id));
    } else {
      const auto read = read_pickled_id(next_from_rank_0());
      if (!read) throw Error(ErrorKind::backend, "what rank 0 put there is no NCCL id");
      id = *read;
    }
  } catch (const std::exception& error) {
    throw Error(ErrorKind::backend, fmt::format("rank {} of {} waited at {}:{} for the ranks of the server: {}", meeting.rank, meeting.size,
                                                meeting.host, meeting.port, first_line(error)));
  }
  nccl_ = std::make_unique<NcclCommunicator>(*gpu_, id, meeting.rank, meeting.size);
  breakable_ = nccl_.get();
}

GpuMemory& WeightGroup::room_for(std::size_t bytes) {
  if (!buffer_ || buffer_->size() < bytes) {
    buffer_.reset();
    buffer_ = std::make_unique<GpuMemory>(*gpu_, bytes);
  }
  return *buffer_;
}

void WeightGroup::send(const at::Tensor& tensor) {
  GpuMemory& memory = room_for(tensor.nbytes());
  memory.fill(0, tensor.const_data_ptr(), tensor.nbytes());
  nccl_->broadcast(memory, tensor.numel(), nccl_type(tensor.scalar_type()));
}

void WeightGroup::send_packed(const NamedTensors& tensors, std::size_t begin, std::size_t end) {
  std::size_t bytes = 0;
  for (std::size_t i = begin; i < end; ++i) bytes += tensors[i].second.nbytes();
  GpuMemory& memory = room_for(bytes);
  std::size_t offset = 0;
  for (std::size_t i = begin; i < end; ++i) {
    memory.fill(offset, tensors[i].second.const_data_ptr(), tensors[i].second.nbytes());
    offset += tensors[i].second.nbytes();
  }
  nccl_->broadcast(memory, static_cast<std::int64_t>(bytes), NcclType::uint8);
}

void WeightGroup::barrier(double seconds) {
  c10d::Store& store = *store_->tcp;
  const std::chrono::milliseconds limit(static_cast<std::int64_t>(seconds * 1000.0));
  try {
    const auto name = read_pickled_text(next_from_rank_0());
    if (!name) throw Error(ErrorKind::backend, "what rank 0 put there is no text");
    const auto key = [&](const char* what, int rank) { return fmt::format("{}_{}_{}", what, *name, rank); };
    store.set(key("arrival", meeting_.rank), Bytes{'1'});
    std::vector<std::string> all;
    for (int rank = 0; rank < meeting_.size; ++rank) all.push_back(key("arrival", rank));
    store.wait(all, limit);
    store.set(key("departure", meeting_.rank), Bytes{'1'});
  } catch (const std::exception& error) {
    throw Error(ErrorKind::backend, fmt::format("rank {} of {} waited for the others in a barrier at {}:{}: {}", meeting_.rank,
                                                meeting_.size, meeting_.host, meeting_.port, first_line(error)));
  }
}

void WeightGroup::break_off() {
  broken_ = true;
  try {  // A store waits for its ranks and for nothing else: so they come.
    for (int rank = 1; waits_ && rank < meeting_.size; ++rank) c10d::TCPStore(meeting_.host, store_options(meeting_, 1.0));
  } catch (const std::exception&) {  // it is gone already
  }
  if (NcclCommunicator* nccl = breakable_) nccl->break_off();
}

}  // namespace grpo::remote
