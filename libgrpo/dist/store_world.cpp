#ifndef USE_C10D_GLOO
#define USE_C10D_GLOO  // as libtorch was built; its headers ask for it
#endif
#include "libgrpo/dist/store_world.hpp"

#include "libgrpo/base/check.hpp"
#include "libgrpo/base/error.hpp"
#include "libgrpo/dist/nccl.hpp"
#include "libgrpo/dist/watch.hpp"

#include <ATen/ATen.h>
#include <torch/csrc/distributed/c10d/PrefixStore.hpp>
#include <torch/csrc/distributed/c10d/ProcessGroupGloo.hpp>
#include <torch/csrc/distributed/c10d/TCPStore.hpp>

#include <algorithm>
#include <arpa/inet.h>
#include <cstdlib>
#include <cstring>
#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <thread>
#include <unistd.h>

namespace grpo {
namespace {

using Gloo = c10d::ProcessGroupGloo;
using Group = c10::intrusive_ptr<c10d::Backend>;
using WorkPtr = c10::intrusive_ptr<c10d::Work>;

/// Waits for a collective, and for news that it will never end.
class Underway final : public Pending {
 public:
  Underway(WorkPtr work, Watch& watch) : work_(std::move(work)), watch_(watch) {}
  void wait() override {
    for (int looks = 0; !work_->isCompleted(); ++looks) {
      if (looks < 100) {
        std::this_thread::yield();
        continue;
      }
      if (const auto why = watch_.verdict()) throw Error(ErrorKind::backend, *why);
      std::this_thread::sleep_for(std::chrono::microseconds(200));
    }
    try {
      work_->wait();
    } catch (const std::exception& error) {
      watch_.blame(error.what());
    }
  }

 private:
  WorkPtr work_;
  Watch& watch_;
};

/// What came from each sender, added up when all of it is there.
class SummedShare final : public Pending {
 public:
  SummedShare(std::unique_ptr<Pending> exchange, at::Tensor received, at::Tensor share)
      : exchange_(std::move(exchange)), received_(std::move(received)), share_(std::move(share)) {}
  void wait() override {
    exchange_->wait();
    const at::NoGradGuard no_grad;
    const auto received = received_.to(share_.device());
    for (std::int64_t at = 0; at < received.numel(); at += share_.numel()) share_.add_(received.narrow(0, at, share_.numel()));
  }

 private:
  std::unique_ptr<Pending> exchange_;
  at::Tensor received_, share_;
};

/// A collective on a copy in the host's memory, whose result goes to where it belongs when it is there.
class CopiedBack final : public Pending {
 public:
  CopiedBack(std::unique_ptr<Pending> collective, at::Tensor host, at::Tensor to)
      : collective_(std::move(collective)), host_(std::move(host)), to_(std::move(to)) {}
  void wait() override {
    collective_->wait();
    const at::NoGradGuard no_grad;
    to_.copy_(host_);
  }

 private:
  std::unique_ptr<Pending> collective_;
  at::Tensor host_, to_;
};

std::shared_ptr<gloo::transport::Device> device(const std::string& interface) {
  if (!interface.empty()) return Gloo::createDeviceForHostname(interface);
  const char* name = std::getenv("GLOO_SOCKET_IFNAME");
  return name != nullptr && *name != '\0' ? Gloo::createDeviceForInterface(name) : Gloo::createDefaultDevice();
}

class StoreWorld final : public World {
 public:
  StoreWorld(c10::intrusive_ptr<c10d::Store> store, int rank, int size, const WorldOptions& options, const std::string& interface,
             const std::string& holder)
      : rank_(rank),
        size_(size),
        timeout_(options.timeout),
        interface_(interface),
        nccl_(options.nccl && has_nccl()),
        store_(std::move(store)),
        watch_(c10::make_intrusive<c10d::PrefixStore>("watch", store_->clone()), rank, size, holder, options),
        sums_{meet("gloo"), {}} {}
  /// Where a rank is lost, collectives may never end, and the group's destructor would wait for them.
  ~StoreWorld() override {
    watch_.leave();
    if (!watch_.verdict()) return;
    for (Group* group : {&sums_.host, &sums_.gpu, &gathers_.host, &gathers_.gpu}) static_cast<void>(group->release());
  }
  StoreWorld(const StoreWorld&) = delete;
  StoreWorld& operator=(const StoreWorld&) = delete;

  [[nodiscard]] int rank() const override { return rank_; }
  [[nodiscard]] int size() const override { return size_; }

  std::unique_ptr<Pending> start_sum(at::Tensor values) override {
    if (by_copies(values)) {
      auto host = values.to(at::kCPU);
      auto sum = start_sum(host);
      return std::make_unique<CopiedBack>(std::move(sum), std::move(host), std::move(values));
    }
    std::vector<at::Tensor> tensors{values};
    return start([&] { return carrier(sums_, "gloo", values)->allreduce(tensors, {}); });
  }
  /// By an exchange of pieces: Gloo's own reduce-scatter never completes, and the order of the sum is that of the ranks.
  std::unique_ptr<Pending> start_sum_shares(at::Tensor values, at::Tensor share, const std::vector<bool>& senders) override {
    const bool sends = senders[static_cast<std::size_t>(rank_)];
    const std::int64_t piece = share.numel();
    std::vector<std::int64_t> out(static_cast<std::size_t>(size_), sends ? piece : 0), in;
    for (const bool sender : senders) in.push_back(sender ? piece : 0);
    if (by_copies(values)) values = values.to(at::kCPU);
    auto received = at::empty({piece * std::count(senders.begin(), senders.end(), true)}, values.options());
    auto exchange = start([&] { return carrier(sums_, "gloo", values)->alltoall_base(received, values, in, out, {}); });
    return std::make_unique<SummedShare>(std::move(exchange), std::move(received), std::move(share));
  }
  /// In a group of their own, so that they need no order among the sums. It meets at its first use.
  std::unique_ptr<Pending> start_gather(at::Tensor whole, at::Tensor share) override {
    if (by_copies(whole)) {
      auto host = at::empty(whole.sizes(), whole.options().device(at::kCPU));
      auto gather = start_gather(host, share.to(at::kCPU));
      return std::make_unique<CopiedBack>(std::move(gather), std::move(host), std::move(whole));
    }
    return start([&] { return carrier(gathers_, "gathers", whole)->_allgather_base(whole, share, {}); });
  }
  /// The lengths first, then all as long as the longest.
  [[nodiscard]] std::vector<std::string> gather_bytes(const std::string& mine) override {
    const auto lengths = at::empty({size_}, at::kLong);
    gather(lengths, at::full({1}, static_cast<std::int64_t>(mine.size()), at::kLong));
    const auto longest = std::max<std::int64_t>(lengths.max().item<std::int64_t>(), 1);
    const auto padded = at::zeros({longest}, at::kByte), all = at::empty({size_ * longest}, at::kByte);
    std::memcpy(padded.data_ptr(), mine.data(), mine.size());
    gather(all, padded);
    std::vector<std::string> found;
    for (int r = 0; r < size_; ++r)
      found.emplace_back(static_cast<const char*>(all.const_data_ptr()) + r * longest,
                         static_cast<std::size_t>(lengths[r].item<std::int64_t>()));
    return found;
  }

  void announce_phase(const std::string& name) override { watch_.enter_phase(name); }
  void ask_to_stop() override { watch_.ask_to_stop(); }
  [[nodiscard]] bool asked_to_stop() const override { return watch_.asked_to_stop(); }
  void give_up(const std::string& why) override { watch_.report(why); }

 private:
  /// What carries tensors in the host's memory, and on GPUs. Each meets at its first use.
  struct Carriers {
    Group host, gpu;
  };

  [[nodiscard]] bool by_copies(const at::Tensor& tensor) const { return !tensor.is_cpu() && !(nccl_ && tensor.is_cuda()); }
  Group& carrier(Carriers& carriers, const std::string& name, const at::Tensor& tensor) {
    Group& found = tensor.is_cpu() ? carriers.host : carriers.gpu;
    if (!found && tensor.is_cpu()) found = meet(name);
    if (!found) found = make_nccl_group(c10::make_intrusive<c10d::PrefixStore>("nccl " + name, store_), rank_, size_, timeout_);
    return found;
  }
  Group meet(const std::string& name) {
    auto options = Gloo::Options::create(timeout_);
    options->devices.push_back(device(interface_));
    try {
      return c10::make_intrusive<Gloo>(c10::make_intrusive<c10d::PrefixStore>(name, store_), rank_, size_, options);
    } catch (const std::exception& error) {
      watch_.blame(error.what());
    }
  }
  std::unique_ptr<Pending> start(const std::function<WorkPtr()>& collective) {
    if (const auto why = watch_.verdict()) throw Error(ErrorKind::backend, *why);
    watch_.count_collective();
    return std::make_unique<Underway>(collective(), watch_);
  }

  /// whole = every rank's share, in the order of ranks
  void gather(at::Tensor whole, at::Tensor share) {
    start([&] { return sums_.host->_allgather_base(whole, share, {}); })->wait();
  }

  int rank_, size_;
  std::chrono::milliseconds timeout_;
  std::string interface_;
  bool nccl_;
  c10::intrusive_ptr<c10d::Store> store_;
  Watch watch_;
  Carriers sums_, gathers_;
};

bool is_loopback(const std::string& address) { return address == "localhost" || address.rfind("127.", 0) == 0 || address == "::1"; }

/// A socket that only this machine reaches; c10d by itself listens on all interfaces. -1 if the port cannot be had.
int loopback_socket(int port) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const int on = 1;
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0 &&
      bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0 && listen(fd, SOMAXCONN) == 0)
    return fd;
  if (fd >= 0) close(fd);
  return -1;
}

c10::intrusive_ptr<c10d::Store> meeting_point(const Launch& launch, const WorldOptions& options) {
  c10d::TCPStoreOptions tcp;
  tcp.port = static_cast<std::uint16_t>(launch.port);
  tcp.isServer = launch.rank == 0 && launch.agent_prefix.empty();
  tcp.waitWorkers = false;
  tcp.timeout = options.timeout;
  if (tcp.isServer && is_loopback(launch.address) && launch.address != "::1")
    if (const int fd = loopback_socket(launch.port); fd >= 0) tcp.masterListenFd = fd;  // else c10d says what is wrong
  try {
    auto store = c10::make_intrusive<c10d::TCPStore>(launch.address, tcp);
    if (launch.agent_prefix.empty()) return store;
    return c10::make_intrusive<c10d::PrefixStore>(launch.agent_prefix, store);
  } catch (const std::exception& error) {
    throw Error(ErrorKind::backend, tcp.isServer
                                        ? fmt::format("rank 0 cannot listen at {}:{} (MASTER_ADDR, MASTER_PORT); is the port taken? {}",
                                                      launch.address, launch.port, error.what())
                                        : fmt::format("rank {} cannot reach {}:{} (MASTER_ADDR, MASTER_PORT), where the ranks meet: {}",
                                                      launch.rank, launch.address, launch.port, error.what()));
  }
}

}  // namespace

std::unique_ptr<World> make_store_world(c10::intrusive_ptr<c10d::Store> store, int rank, int size, const WorldOptions& options,
                                        const std::string& interface, const std::string& holder) {
  return std::make_unique<StoreWorld>(std::move(store), rank, size, options, interface, holder);
}

std::unique_ptr<World> make_world(const Launch& launch, const WorldOptions& options) {
  if (launch.size == 1) return make_solo_world();
  const std::string holder = launch.agent_prefix.empty() ? "rank 0" : fmt::format("torchrun's agent at {}:{}", launch.address, launch.port);
  return make_store_world(meeting_point(launch, options), launch.rank, launch.size, options,
                          is_loopback(launch.address) ? "127.0.0.1" : std::string(), holder);
}

}  // namespace grpo
