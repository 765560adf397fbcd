/// Weights through a folder that trainer and servers see under one path (weight_folders.hpp).
///
///   whole models    adapters merged: /update_weights {path, version} of grpo_serve, /collective_rpc reload_weights of vLLM
///   adapters alone  /v1/load_lora_adapter {lora_name, lora_path, load_inplace}: grpo_serve puts them on the model it was started with;
///                   vLLM (--enable-lora, VLLM_ALLOW_RUNTIME_LORA_UPDATING) gets a new name for every version, is asked for completions by that name,
///                   and unloads the one before
#pragma once

#include "libgrpo/remote/weight_channel.hpp"
#include "libgrpo/remote/weight_folders.hpp"

#include <map>
#include <mutex>
#include <string>

namespace grpo::remote {

class FolderChannel final : public WeightChannel {
 public:
  FolderChannel(std::filesystem::path folder, bool adapters) : folders_(std::move(folder)), adapters_(adapters) {}

  std::string publish(const CausalLm& model, std::int64_t version, bool leads) override;
  void heard(const std::string& from_rank_0, std::int64_t version) override;
  void give(const GenerationServer& server, const Stamp& stamp, double seconds) override;
  void doubt(const GenerationServer& server) override;
  void keep_only(std::int64_t version) override { folders_.keep_only(version); }
  void remove() override { folders_.remove(); }
  [[nodiscard]] std::string what_was_done(std::int64_t version) const override;

 private:
  void give_adapters(const GenerationServer& server, const Stamp& stamp, const std::string& checksum, double seconds);

  const WeightFolders folders_;
  const bool adapters_;
  std::mutex mutex_;  // of what follows
  std::string checksum_;
  std::map<const GenerationServer*, std::string> loaded_;  // names of adapters
};

}  // namespace grpo::remote
