/// Samples with generation servers (generation_server.hpp has the kinds) that get the policy's weights by a channel (weight_channel.hpp).
///
/// Every rank asks for its own prompts, one request per prompt, each at the server with the fewest under way. Rank 0 publishes the
/// weights and has the servers load them; nobody asks before they have. An answer by other weights is not used: the server gets the
/// newest ones first and is asked again. What a server fails to give is asked for again, here or at another one, and at last
/// sampled with the engine in this process, if options allow it. So a group is whole, or the run ends with an error.
#pragma once

#include "libgrpo/base/log.hpp"
#include "libgrpo/config/server_options.hpp"
#include "libgrpo/dist/world.hpp"
#include "libgrpo/policy/causal_lm.hpp"
#include "libgrpo/remote/probe.hpp"
#include "libgrpo/remote/server_pool.hpp"
#include "libgrpo/remote/weight_channel.hpp"
#include "libgrpo/sampler/sampler.hpp"

#include <atomic>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

namespace grpo::remote {

struct RemoteOptions {
  std::vector<Address> servers;
  std::string api_key;                 ///< empty: none
  double start_seconds = 240.0;        ///< until the servers answer
  double request_seconds = 600.0;      ///< for one request; no attempt but the second is begun later than that after the first
  double retry_seconds = 0.5;          ///< before the second attempt; doubles, up to 10 s
  std::int64_t completion_rounds = 0;  ///< attempts at completions that are missing or unusable; 0: num_generations
  bool backfill = true;                ///< the engine in this process samples what the servers fail to give
  bool sync = true;                    ///< give the servers weights; false: they keep theirs
  VllmSyncMethod method = VllmSyncMethod::automatic;  ///< automatic: over NCCL to TRL's server, through a folder to others
  std::filesystem::path sync_folder;                  ///< as the servers see it
  int group_port = 51216;                             ///< NcclOptions::port
  bool beside_training = false;  ///< the model trains while servers sample, so it is not read: no backfill, and servers must tell log-probs
  double probe_temperature = 1.0;  ///< of the run's sampling
};

/// thread: generate() from any thread, several at once; refresh() from the one that trains. Not while the model trains with `backfill`, or
/// with servers that tell no log-probs: then the model in this process is read
class RemoteSampler final : public Sampler {
 public:
  /// The first three must outlive it. Nothing is sent before refresh().
  RemoteSampler(const CausalLm& model, const Tokenizer& tokenizer, World& world, Log log, RemoteOptions options);
  ~RemoteSampler() override;

  [[nodiscard]] std::vector<Group> generate(const std::vector<Prompt>& prompts, const SamplingParams& params) override;
  /// True where all servers are grpo_serve and drew, for a probe, the very bits of the engine in this process.
  [[nodiscard]] bool exact_log_probs() const override { return exact_; }
  /// servers/: retries, backfilled_completions, rests (of servers that failed three times), given_weights_again (after a failure).
  [[nodiscard]] std::map<std::string, double> counts() const override;
  /// `policy`: the model of the constructor. The first call waits for the servers and asks them who they are.
  void refresh(const Policy& policy, std::int64_t version) override;

 private:
  struct Asked;
  void meet();
  [[nodiscard]] std::unique_ptr<WeightChannel> make_channel() const;
  void give(ServerPool::Slot& slot, std::int64_t version, double seconds);
  [[nodiscard]] std::int64_t number_of(std::int64_t version) const;
  [[nodiscard]] std::optional<std::int64_t> version_of(std::int64_t number) const;
  void give_weights(std::int64_t version);
  [[nodiscard]] std::vector<std::optional<ServerError>> load_everywhere(std::int64_t version);
  [[nodiscard]] Probe probe() const;
  void look(const std::function<void()>& at) const;
  [[nodiscard]] bool all_exact();
  void check_room(const Prompt& prompt, const SamplingParams& params) const;
  void ask(Asked& asked, const SamplingParams& params);
  void attempt(Asked& asked, const SamplingParams& params, double seconds);
  [[nodiscard]] std::int64_t bring_up_to_date(ServerPool::Slot& slot, ServerPool::Clock::time_point deadline);
  [[nodiscard]] std::int64_t checked_version(const ServerPool::Slot& slot, std::int64_t number, std::int64_t oldest) const;
  void fill(std::vector<Asked>& asked, const SamplingParams& params);
  [[nodiscard]] std::vector<Group> groups_of(std::vector<Asked>& asked, const SamplingParams& params);

  const CausalLm& model_;
  const Tokenizer& tokenizer_;
  World& world_;
  const Log log_;
  const RemoteOptions options_;
  ServerPool pool_;
  std::unique_ptr<WeightChannel> channel_;  // once the servers are known; null: they keep their weights
  bool met_ = false, exact_ = false;
  std::int64_t run_ = 0;  // this run's number, the same on all ranks
  std::mutex own_engine_;
  std::atomic<std::int64_t> retries_{0}, backfilled_{0};
};

}  // namespace grpo::remote
