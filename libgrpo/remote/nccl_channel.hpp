/// Weights over NCCL: straight from memory to the GPUs of a vLLM or of TRL's own server.
///
///   vLLM (weight transfer, developer mode)       this process is rank 0 and holds the store
///     /init_weight_transfer_engine {"init_info": {master_address, master_port, rank_offset 1, world_size, packed, ...}}
///     /start_weight_update; /update_weights {"update_info": {names, dtype_names, shapes}} while the tensors are broadcast;
///     /finish_weight_update; /reset_prefix_cache
///   TRL's server, TRL 0.16 to 1.10               its first worker holds the store, this process is the last rank
///     /init_communicator/ {host, port, world_size, client_device_uuid}; for every tensor /update_named_param/ {name, dtype, shape}, a
///     broadcast and a barrier; /reset_prefix_cache/; at the end /close_communicator/
///
/// Names and shapes are those of Hugging Face files, a tied head once, adapters merged. NCCL knows no limit of time: it runs on a thread of
/// its own, and is broken off where the server refuses or the time is over. Source: vLLM 0.32 (vllm.distributed.weight_transfer), TRL 1.10
/// (trl.generation.vllm_client, trl.scripts.vllm_serve).
#pragma once

#include "libgrpo/remote/weight_channel.hpp"
#include "libgrpo/remote/weight_group.hpp"

#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <mutex>

namespace grpo::remote {

struct NcclOptions {
  int port = 51216;               ///< of the store; for vLLM the first server's, others count on; 0: any
  std::filesystem::path scratch;  ///< for merging adapters
  bool copy = false;              ///< the model trains while weights are given away
  std::size_t packed_bytes = 256 << 20;
};

class NcclChannel final : public WeightChannel {
 public:
  /// throws: Error{backend} as Gpu
  NcclChannel(std::shared_ptr<const Gpu> gpu, NcclOptions options);
  ~NcclChannel() override;

  std::string publish(const CausalLm& model, std::int64_t version, bool leads) override;
  void give(const GenerationServer& server, const Stamp& stamp, double seconds) override;
  void doubt(const GenerationServer& server) override;
  void remove() override;
  [[nodiscard]] std::string what_was_done(std::int64_t version) const override;

 private:
  using Tensors = std::shared_ptr<const NamedTensors>;
  struct Link {
    std::mutex mutex;
    int index = 0;
    const GenerationServer* server = nullptr;
    std::shared_ptr<WeightGroup> group;  // null: none, or in doubt
  };
  [[nodiscard]] Link& link_of(const GenerationServer& server);
  void open(Link& link, double seconds) const;
  void send_to_vllm(const Link& link, const Tensors& tensors, double seconds) const;
  void send_to_trl(const Link& link, const Tensors& tensors, double seconds) const;

  const std::shared_ptr<const Gpu> gpu_;
  const NcclOptions options_;
  bool leads_ = true;
  std::mutex mutex_;  // of what follows
  Tensors tensors_;
  std::map<const GenerationServer*, Link> links_;
};

}  // namespace grpo::remote
