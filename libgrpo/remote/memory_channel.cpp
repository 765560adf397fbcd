#include "libgrpo/remote/memory_channel.hpp"

#include "libgrpo/base/error.hpp"
#include "libgrpo/tensor/precompiled.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <fmt/format.h>
#include <cerrno>
#include <cstring>
#include <nlohmann/json.hpp>
#include <utility>

namespace grpo::remote {
namespace {

using Json = nlohmann::json;
using std::int64_t;

}  // namespace

struct MemoryChannel::Image {
  int fd;
  Image() : fd(::memfd_create("grpo-weights", MFD_CLOEXEC | MFD_ALLOW_SEALING)) {
    if (fd < 0) throw Error(ErrorKind::backend, fmt::format("no memory to share weights in (memfd_create): {}", std::strerror(errno)));
  }
  ~Image() { ::close(fd); }
  Image(const Image&) = delete;
  Image& operator=(const Image&) = delete;

  void seal() const {
    if (::fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL) != 0)
      throw Error(ErrorKind::backend, fmt::format("memory of weights cannot be sealed: {}", std::strerror(errno)));
  }
};

MemoryChannel::MemoryChannel(std::filesystem::path scratch) : scratch_(std::move(scratch)) {}

MemoryChannel::~MemoryChannel() = default;

std::string MemoryChannel::what_was_done(int64_t version) const {
  return fmt::format("wrote the weights of step {} to shared memory", version);
}

std::string MemoryChannel::publish(const CausalLm& model, int64_t /*version*/, bool leads) {
  if (!leads) return {};
  const auto merged = merged_copy(model, scratch_);
  const NamedTensors tensors = published(merged ? *merged : model);
  before_ = std::move(newest_);  // which a server may still read
  newest_ = std::make_unique<Image>();
  write_tensors(fmt::format("/proc/self/fd/{}", newest_->fd), tensors, {{"format", "pt"}});
  newest_->seal();
  return Json{{"memory", fmt::format("/proc/{}/fd/{}", ::getpid(), newest_->fd)}, {"checksum", checksum_of(tensors)}}.dump();
}

void MemoryChannel::heard(const std::string& from_rank_0, int64_t /*version*/) {
  const Json json = Json::parse(from_rank_0);
  const std::lock_guard lock(mutex_);
  place_ = json.at("memory");
  checksum_ = json.at("checksum");
}

void MemoryChannel::give(const GenerationServer& server, const Stamp& stamp, double seconds) {
  if (server.identity().kind != ServerKind::grpo_serve)
    throw ServerError(Trouble::refused, fmt::format("{} is {}, which takes no weights from shared memory; leave vllm_sync_method unset",
                                                    server.address().url(), to_string(server.identity().kind)));
  Json body = {{"version", stamp.number}};
  std::string checksum;
  {
    const std::lock_guard lock(mutex_);
    body["memory"] = place_;
    checksum = checksum_;
  }
  compare_checksums(server, server.call("/update_weights", body.dump(), seconds), checksum);
}

}  // namespace grpo::remote
