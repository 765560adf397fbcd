/// Weights through memory that trainer and grpo_serve share, on one host and by one user.
///
/// Each version is a safetensors image in memory of its own (memfd_create), sealed once it is written, so that it can neither change nor
/// shrink while a server reads it. The server opens it as /proc/PID/fd/N of the trainer and closes it when it has its copy:
///     /update_weights {"memory": "/proc/4711/fd/9", "version": 7}
/// The newest version and the one before are kept; the system frees them with the process, however it ends.
/// cost: a copy of the weights in memory for each, and one write of them per version
#pragma once

#include "libgrpo/remote/weight_channel.hpp"

#include <filesystem>
#include <memory>
#include <mutex>
#include <string>

namespace grpo::remote {

class MemoryChannel final : public WeightChannel {
 public:
  /// `scratch`: for merging adapters
  explicit MemoryChannel(std::filesystem::path scratch);
  ~MemoryChannel() override;

  std::string publish(const CausalLm& model, std::int64_t version, bool leads) override;
  void heard(const std::string& from_rank_0, std::int64_t version) override;
  void give(const GenerationServer& server, const Stamp& stamp, double seconds) override;
  [[nodiscard]] std::string what_was_done(std::int64_t version) const override;

 private:
  struct Image;
  const std::filesystem::path scratch_;
  std::unique_ptr<Image> newest_, before_;
  std::mutex mutex_;  // of what follows
  std::string place_, checksum_;
};

}  // namespace grpo::remote
