// The part of RemoteSampler that meets the servers and gives them weights.
#include "libgrpo/base/check.hpp"
#include "libgrpo/base/error.hpp"
#include "libgrpo/remote/folder_channel.hpp"
#include "libgrpo/remote/memory_channel.hpp"
#include "libgrpo/remote/nccl_channel.hpp"
#include "libgrpo/remote/pauses.hpp"
#include "libgrpo/remote/remote_sampler.hpp"

#include <fmt/format.h>
#include <algorithm>
#include <random>
#include <thread>

namespace grpo::remote {
namespace {

using std::int64_t;

constexpr int64_t kMostSteps = 1'000'000'000, kMostRuns = 8'999'999;  // so that numbers of weights are exact where they are read as doubles

}  // namespace

void RemoteSampler::refresh(const Policy& policy, int64_t version) {
  GRPO_CHECK(&policy == &model_, "the policy is the one that the sampler was made for");
  const bool first = !met_;
  if (!first && (!options_.sync || pool_.newest() == version)) return;
  if (first) meet();
  if (options_.sync) {
    const std::string published = channel_->publish(model_, version, world_.leads());
    pool_.set_newest(version);
    channel_->heard(world_.gather_bytes(published).front(), version);  // answers by the new weights surprise nobody from here on
    if (world_.leads()) give_weights(version);
    static_cast<void>(world_.gather_bytes(""));  // nobody goes on before the servers have them
    if (world_.leads())
      channel_->keep_only(version);
    else
      pool_.suppose(version);  // where rank 0 failed, the server's answers will say so
  }
  if (first) exact_ = world_.gather_bytes(world_.leads() && all_exact() ? "exact" : "").front() == "exact";
}

void RemoteSampler::meet() {
  for (auto& slot : pool_.slots()) {
    slot.server->identify(options_.start_seconds);
    if (!world_.leads()) continue;
    const ServerIdentity& who = slot.server->identity();
    log_.info(fmt::format("{}: {}{}{}{}", slot.server->address().url(), to_string(who.kind), who.version.empty() ? "" : " " + who.version,
                          who.model.empty() ? "" : ", model " + who.model,
                          who.context_length > 0 ? fmt::format(", context {}", who.context_length) : ""));
    look([&] { check_tokenizer(*slot.server, probe()); });  // before it gets weights that may not be for it
  }
  run_ = std::stoll(world_.gather_bytes(std::to_string(1 + std::random_device()() % kMostRuns)).front());
  if (options_.sync) channel_ = make_channel();
  met_ = true;
}

std::unique_ptr<WeightChannel> RemoteSampler::make_channel() const {
  VllmSyncMethod method = options_.method;
  const bool trl = std::any_of(pool_.slots().begin(), pool_.slots().end(),
                               [](const auto& slot) { return slot.server->identity().kind == ServerKind::trl; });
  if (method == VllmSyncMethod::automatic) method = trl ? VllmSyncMethod::nccl : VllmSyncMethod::files;
  const std::filesystem::path scratch = options_.sync_folder / "step-adapters";
  switch (method) {
    case VllmSyncMethod::nccl:
      return std::make_unique<NcclChannel>(std::make_shared<Gpu>(), NcclOptions{options_.group_port, scratch, options_.beside_training});
    case VllmSyncMethod::memory: return std::make_unique<MemoryChannel>(scratch);
    default: return std::make_unique<FolderChannel>(options_.sync_folder, method == VllmSyncMethod::adapters);
  }
}

void RemoteSampler::give(ServerPool::Slot& slot, int64_t version, double seconds) {
  channel_->give(*slot.server, {version, number_of(version)}, seconds);
}

/// The number that a server knows the weights of a step by: the run's own number, and nine digits for the step. So the weights of another
/// run, or those that a server was started with, are never taken for this run's.
int64_t RemoteSampler::number_of(int64_t version) const { return run_ * kMostSteps + version; }

/// The step again; nothing if the number is not of this run.
std::optional<int64_t> RemoteSampler::version_of(int64_t number) const {
  if (number < 0 || number / kMostSteps != run_) return std::nullopt;
  return number % kMostSteps;
}

/// Has the servers load the weights, again and again until one has. A server that fails gets them before its next prompt.
/// It is an error if one refuses, or if all fail until the time is over and there is no engine here to go on with.
void RemoteSampler::give_weights(int64_t version) {
  const bool hopeless = pool_.all_fail_for(std::chrono::duration<double>(options_.request_seconds));
  const auto deadline = in(hopeless ? 0.0 : options_.request_seconds);
  Pauses pauses(options_.retry_seconds);
  bool first = true;
  while (true) {
    const auto errors = load_everywhere(version);
    std::string why;
    bool any = false, refused = false;
    for (const auto& error : errors) {
      any = any || !error;
      refused = refused || (error && error->trouble() == Trouble::refused);
      if (error) why += (why.empty() ? "" : "; ") + std::string(error->what());
    }
    const bool over = !any && Clock::now() >= deadline;
    if (refused || (over && !options_.backfill))
      throw Error(
          ErrorKind::backend,
          fmt::format(
              "rank {} {}, but the server does not load them: {}. vLLM takes weights in its developer mode "
              "(VLLM_SERVER_DEV_MODE=1), grpo_serve with --enable_weight_updates; a folder (vllm_sync_dir) must be one that both see",
              world_.rank(), channel_->what_was_done(version), why));
    if (any || over) {
      if (!why.empty())
        log_.warning(fmt::format("the weights of step {} did not reach every server: {}; what fails gets them before its next prompt",
                                 version, why));
      return;
    }
    if (first)
      log_.warning(fmt::format("the weights of step {} reach no server: {}; that is tried again for {} seconds", version, why,
                               options_.request_seconds));
    first = false;
    pauses.pause(0.0, deadline);
  }
}

/// All servers side by side. Returns what went wrong at each.
std::vector<std::optional<ServerError>> RemoteSampler::load_everywhere(int64_t version) {
  std::vector<std::optional<ServerError>> errors(pool_.slots().size());
  std::vector<std::thread> threads;
  for (std::size_t i = 0; i < errors.size(); ++i)
    threads.emplace_back([&, i] {
      auto& slot = pool_.slots()[i];
      try {
        if (pool_.version_of(slot) < 0) channel_->doubt(*slot.server);
        give(slot, version, options_.request_seconds);
        pool_.loaded(slot, version);
      } catch (const ServerError& error) {
        pool_.not_loaded(slot, error);
        errors[i] = error;
      }
    });
  for (auto& thread : threads) thread.join();
  return errors;
}

Probe RemoteSampler::probe() const { return {model_, tokenizer_, log_, options_.probe_temperature, options_.request_seconds}; }

/// A look that fails is no reason to end a run, unless the server refuses what the run will ask for.
void RemoteSampler::look(const std::function<void()>& at) const {
  try {
    at();
  } catch (const ServerError& error) {
    if (error.trouble() == Trouble::refused) throw Error(ErrorKind::backend, error.what());
    log_.warning(fmt::format("a probe failed: {}", error.what()));
  }
}

/// By rank 0. Returns whether all servers draw the bits of the engine in this process.
bool RemoteSampler::all_exact() {
  std::size_t exact = 0;
  for (auto& slot : pool_.slots())
    if (!options_.sync || pool_.version_of(slot) == pool_.newest())
      look([&] { exact += check_log_probs(*slot.server, probe()) ? 1U : 0U; });
  const bool merged =
      model_.lora() && options_.method != VllmSyncMethod::adapters;  // which rounds otherwise than adapters beside the weights
  return options_.sync && !merged && exact == pool_.slots().size();
}

}  // namespace grpo::remote
