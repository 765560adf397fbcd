// libnccl.so.2 for tests without a GPU: ranks meet over loopback at the port that the id holds, and move host memory. As NCCL's API has
// it (version 2), for the functions that vLLM's wrapper and libgrpo call; rank 0 passes on what other ranks send. A broadcast whose ranks
// do not agree on its size and type, which real NCCL does not notice, fails.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdint>
#include <cstring>
#include <random>
#include <vector>

namespace {

constexpr int kSuccess = 0, kSystemError = 2, kInvalidUsage = 5;
constexpr std::uint32_t kMagic = 0x4641'4B45;

struct Id {
  char bytes[128];
};

struct Ticket {
  std::uint32_t magic;
  std::uint16_t port;
  std::int32_t listener;  // of use in the process of rank 0 alone
};

struct Communicator {
  int rank = 0, size = 0;
  std::vector<int> peers;  // of rank 0: by rank; of others: that to rank 0 at place 0
};

bool send_all(int fd, const void* data, std::size_t size) {
  const char* at = static_cast<const char*>(data);
  while (size > 0) {
    const ssize_t sent = ::send(fd, at, size, MSG_NOSIGNAL);
    if (sent <= 0) return false;
    at += sent;
    size -= static_cast<std::size_t>(sent);
  }
  return true;
}

bool receive_all(int fd, void* data, std::size_t size) {
  char* at = static_cast<char*>(data);
  while (size > 0) {
    const ssize_t got = ::recv(fd, at, size, 0);
    if (got <= 0) return false;
    at += got;
    size -= static_cast<std::size_t>(got);
  }
  return true;
}

std::size_t bytes_of(std::size_t count, int type) {
  constexpr std::size_t kSizes[] = {1, 1, 4, 4, 8, 8, 2, 4, 8, 2};
  return count * kSizes[type];
}

struct Head {
  std::uint64_t count;
  std::int32_t type, root;
  bool operator==(const Head&) const = default;
};

int send_to(int fd, const Head& head, const void* data) {
  return send_all(fd, &head, sizeof head) && send_all(fd, data, bytes_of(head.count, head.type)) ? kSuccess : kSystemError;
}

int receive_from(int fd, const Head& wanted, void* data) {
  Head head{};
  if (!receive_all(fd, &head, sizeof head)) return kSystemError;
  if (!(head == wanted)) return kInvalidUsage;
  return receive_all(fd, data, bytes_of(head.count, head.type)) ? kSuccess : kSystemError;
}

}  // namespace

extern "C" {

const char* ncclGetErrorString(int code) {
  return code == kInvalidUsage ? "the ranks do not agree" : code == 0 ? "no error" : "a rank is gone";
}

int ncclGetVersion(int* version) {
  *version = 22'907;
  return kSuccess;
}

int ncclGetUniqueId(Id* id) {
  const int listener = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof address;
  if (::bind(listener, reinterpret_cast<sockaddr*>(&address), length) != 0 || ::listen(listener, 16) != 0) return kSystemError;
  ::getsockname(listener, reinterpret_cast<sockaddr*>(&address), &length);
  std::random_device random;
  for (char& byte : id->bytes) byte = static_cast<char>(random());  // that none of the 128 is lost on the way
  const Ticket ticket{kMagic, ntohs(address.sin_port), listener};
  std::memcpy(id->bytes, &ticket, sizeof ticket);
  return kSuccess;
}

int ncclCommInitRank(Communicator** made, int size, Id id, int rank) {
  Ticket ticket{};
  std::memcpy(&ticket, id.bytes, sizeof ticket);
  if (ticket.magic != kMagic) return kInvalidUsage;
  auto* communicator = new Communicator{rank, size, std::vector<int>(static_cast<std::size_t>(size), -1)};
  if (rank == 0) {
    for (int i = 1; i < size; ++i) {
      const int fd = ::accept(ticket.listener, nullptr, nullptr);
      Id theirs{};
      std::int32_t peer = 0;
      if (!receive_all(fd, &theirs, sizeof theirs) || !receive_all(fd, &peer, sizeof peer)) return kSystemError;
      if (std::memcmp(&theirs, &id, sizeof id) != 0) return kInvalidUsage;
      communicator->peers[static_cast<std::size_t>(peer)] = fd;
    }
    ::close(ticket.listener);
  } else {
    const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(ticket.port);
    if (::connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) return kSystemError;
    const std::int32_t own = rank;
    if (!send_all(fd, &id, sizeof id) || !send_all(fd, &own, sizeof own)) return kSystemError;
    communicator->peers[0] = fd;
  }
  *made = communicator;
  return kSuccess;
}

int ncclBroadcast(const void* from, void* to, std::size_t count, int type, int root, Communicator* c, void*) {
  const Head head{count, type, root};
  if (c->rank == root && from != to) std::memcpy(to, from, bytes_of(count, type));
  if (c->rank != 0) return c->rank == root ? send_to(c->peers[0], head, from) : receive_from(c->peers[0], head, to);
  if (root != 0)
    if (const int code = receive_from(c->peers[static_cast<std::size_t>(root)], head, to); code != kSuccess) return code;
  for (int peer = 1; peer < c->size; ++peer)
    if (peer != root)
      if (const int code = send_to(c->peers[static_cast<std::size_t>(peer)], head, to); code != kSuccess) return code;
  return kSuccess;
}

/// Sums of float32 alone.
int ncclAllReduce(const void* from, void* to, std::size_t count, int type, int op, Communicator* c, void* stream) {
  if (type != 7 || op != 0) return kInvalidUsage;
  std::vector<float> sum(count), other(count);
  std::memcpy(sum.data(), from, count * sizeof(float));
  const Head head{count, type, -1};
  if (c->rank != 0) {
    if (const int code = send_to(c->peers[0], head, sum.data()); code != kSuccess) return code;
  } else {
    for (int peer = 1; peer < c->size; ++peer) {
      if (const int code = receive_from(c->peers[static_cast<std::size_t>(peer)], head, other.data()); code != kSuccess) return code;
      for (std::size_t i = 0; i < count; ++i) sum[i] += other[i];
    }
  }
  std::memcpy(to, sum.data(), count * sizeof(float));
  return ncclBroadcast(to, to, count, type, 0, c, stream);
}

int ncclCommAbort(Communicator* c) {
  for (const int fd : c->peers)
    if (fd >= 0) ::shutdown(fd, SHUT_RDWR);
  return kSuccess;
}

int ncclCommDestroy(Communicator* c) {
  for (const int fd : c->peers)
    if (fd >= 0) ::close(fd);
  delete c;
  return kSuccess;
}

// What vLLM's wrapper looks up and these tests never call.
#define UNUSED(name) \
  int name() { return kInvalidUsage; }
UNUSED(ncclReduce)
UNUSED(ncclAllGather)
UNUSED(ncclReduceScatter)
UNUSED(ncclSend)
UNUSED(ncclRecv)
UNUSED(ncclCommSuspend)
UNUSED(ncclCommResume)
UNUSED(ncclGroupStart)
UNUSED(ncclGroupEnd)
UNUSED(ncclCommWindowRegister)
UNUSED(ncclCommWindowDeregister)
UNUSED(ncclCommQueryProperties)

}  // extern "C"
