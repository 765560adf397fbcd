#include "libgrpo/remote/remote_sampler.hpp"

#include "libgrpo/base/check.hpp"
#include "libgrpo/base/error.hpp"
#include "libgrpo/remote/own_scores.hpp"
#include "libgrpo/remote/pauses.hpp"
#include "libgrpo/sampler/in_process_sampler.hpp"

#include <fmt/format.h>
#include <algorithm>
#include <atomic>
#include <exception>
#include <thread>

namespace grpo::remote {
namespace {

using std::int64_t;

constexpr std::size_t kMostAtOnce = 64;  // requests under way at one server, of one rank

}  // namespace

/// A prompt and what has come back for it.
struct RemoteSampler::Asked {
  explicit Asked(const Prompt& p, int64_t count) : prompt(p), completions(static_cast<std::size_t>(count)) {}
  const Prompt& prompt;
  std::vector<std::optional<Completion>> completions;
  std::string complaint = {};

  [[nodiscard]] int64_t missing() const { return std::count(completions.begin(), completions.end(), std::nullopt); }
  /// Takes over what is still missing here, no completion twice.
  void take(Answer answer) {
    for (std::size_t i = 0; i < completions.size(); ++i)
      if (!completions[i]) completions[i] = std::move(answer.completions[i]);
    complaint = std::move(answer.complaint);
  }
};

RemoteSampler::RemoteSampler(const CausalLm& model, const Tokenizer& tokenizer, World& world, Log log, RemoteOptions options)
    : model_(model), tokenizer_(tokenizer), world_(world), log_(std::move(log)), options_(std::move(options)) {
  GRPO_CHECK(!options_.servers.empty(), "there is a server to ask");
  for (const Address& address : options_.servers)
    pool_.add(std::make_unique<GenerationServer>(address, options_.api_key, tokenizer, model.config()));
}

RemoteSampler::~RemoteSampler() {
  if (channel_ && world_.leads()) channel_->remove();
}

std::map<std::string, double> RemoteSampler::counts() const {
  const auto number = [](int64_t count) { return static_cast<double>(count); };
  return {{"servers/retries", number(retries_)},
          {"servers/backfilled_completions", number(backfilled_)},
          {"servers/rests", number(pool_.rests())},
          {"servers/given_weights_again", number(pool_.given_again())}};
}

void RemoteSampler::check_room(const Prompt& prompt, const SamplingParams& params) const {
  int64_t room = model_.config().context_length;
  for (const auto& slot : pool_.slots())
    if (const int64_t theirs = slot.server->identity().context_length; theirs > 0) room = std::min(room, theirs);
  const auto length = static_cast<int64_t>(prompt.ids.size());
  if (length + params.max_completion_length > room)
    throw Error(ErrorKind::data,
                fmt::format("{}: prompt of {} tokens + max_completion_length {} exceed the context of {} of the model and its server; "
                            "shorten the prompt or lower --max_completion_length",
                            prompt.source, length, params.max_completion_length, room));
}

std::vector<Group> RemoteSampler::generate(const std::vector<Prompt>& prompts, const SamplingParams& params) {
  GRPO_CHECK(met_, "refresh() comes before generate()");
  std::vector<Asked> asked;
  for (const Prompt& prompt : prompts) {
    check_room(prompt, params);
    asked.emplace_back(prompt, params.num_generations);
  }
  std::atomic<std::size_t> next{0};
  std::vector<std::exception_ptr> failures(std::min(prompts.size(), kMostAtOnce * pool_.slots().size()));
  std::vector<std::thread> threads;
  for (auto& failure : failures)
    threads.emplace_back([&] {
      try {
        for (std::size_t i = next++; i < asked.size(); i = next++) ask(asked[i], params);
      } catch (...) {
        failure = std::current_exception();
        next = asked.size();
      }
    });
  for (auto& thread : threads) thread.join();
  for (const auto& failure : failures)
    if (failure) std::rethrow_exception(failure);
  fill(asked, params);
  return groups_of(asked, params);
}

std::vector<Group> RemoteSampler::groups_of(std::vector<Asked>& asked, const SamplingParams& params) {
  std::vector<Group> groups;
  for (Asked& one : asked) {
    Group& group = groups.emplace_back();
    group.prompt = one.prompt;
    for (std::size_t i = 0; i < one.completions.size(); ++i) {
      group.completions.push_back(std::move(*one.completions[i]));
      if (params.on_token)
        for (const auto id : group.completions.back().ids) params.on_token(groups.size() - 1, i, id);
    }
  }
  if (options_.beside_training) {
    for (const Group& group : groups)
      for (const Completion& completion : group.completions)
        if (completion.log_probs.empty())
          throw Error(ErrorKind::backend,
                      "a server tells no log-probs of what it samples, and the policy cannot be asked while it trains: "
                      "use grpo_serve or vLLM, or leave async_generation off");
    return groups;
  }
  const std::lock_guard lock(own_engine_);
  score_missing(model_, groups, params.temperature);
  return groups;
}

/// Asks until the group is whole, the time is over (two attempts at least: the first server may hang), or so many answers were of no use.
void RemoteSampler::ask(Asked& asked, const SamplingParams& params) {
  const auto deadline = in(options_.request_seconds);
  const int64_t rounds = options_.completion_rounds > 0 ? options_.completion_rounds : params.num_generations;
  const bool hopeless = pool_.all_fail_for(std::chrono::duration<double>(options_.request_seconds));
  Pauses pauses(options_.retry_seconds);
  int64_t useless = 0;
  for (int64_t attempts = 0; asked.missing() > 0; ++attempts) {
    if (useless >= rounds || (hopeless && attempts == 1) || (attempts >= 2 && Clock::now() >= deadline)) return;
    double wait = 0.0;
    if (attempts > 0) ++retries_;
    try {
      attempt(asked, params, hopeless ? std::min(options_.request_seconds, 1.0) : options_.request_seconds);
      if (asked.missing() == 0) return;
      ++useless;
    } catch (const ServerError& error) {
      asked.complaint = error.what();
      if (error.trouble() == Trouble::refused) throw Error(ErrorKind::backend, asked.complaint);
      if (error.trouble() == Trouble::unusable) ++useless;
      wait = error.retry_after();
    }
    pauses.pause(wait, deadline);
  }
}

/// One request, at whichever server is free, by weights of this run.
void RemoteSampler::attempt(Asked& asked, const SamplingParams& params, double seconds) {
  const auto deadline = in(seconds);
  ServerPool::Slot* slot = pool_.take(deadline);
  if (slot == nullptr) throw ServerError(Trouble::late, asked.complaint.empty() ? "all servers rest after failures" : asked.complaint);
  try {
    const int64_t oldest = options_.sync ? bring_up_to_date(*slot, deadline) : -1;
    Answer answer = slot->server->generate(asked.prompt, params, std::max(0.1, seconds_until(deadline)));
    for (auto& completion : answer.completions)
      if (completion) completion->weight_version = options_.sync ? checked_version(*slot, completion->weight_version, oldest) : -1;
    pool_.succeeded(*slot);
    asked.take(std::move(answer));
  } catch (const ServerError& error) {
    pool_.failed(*slot, error);
    throw;
  }
}

/// Gives a server that is in doubt the newest weights. Returns the version that it has, at least.
int64_t RemoteSampler::bring_up_to_date(ServerPool::Slot& slot, Clock::time_point deadline) {
  const std::lock_guard lock(slot.loading);
  if (const int64_t has = pool_.version_of(slot); has >= 0) return has;
  const int64_t newest = pool_.newest();
  channel_->doubt(*slot.server);
  give(slot, newest, std::max(1.0, seconds_until(deadline)));
  pool_.loaded(slot, newest);
  return newest;
}

/// The step whose weights drew an answer. Weights may become newer while a request is under way, but not older.
int64_t RemoteSampler::checked_version(const ServerPool::Slot& slot, int64_t number, int64_t oldest) const {
  if (number == -1) return oldest;  // the server does not say
  const auto version = version_of(number);
  if (!version || *version < oldest || *version > pool_.newest())
    throw ServerError(
        Trouble::stale,
        fmt::format("{} answers with other weights than those of step {} that it was given: was it started anew, or does another "
                    "run use it?",
                    slot.server->address().url(), oldest));
  return *version;
}

/// Samples in this process what is missing, or ends the run.
void RemoteSampler::fill(std::vector<Asked>& asked, const SamplingParams& params) {
  std::vector<Prompt> prompts;
  int64_t missing = 0;
  std::string why;
  for (const Asked& one : asked) {
    if (one.missing() == 0) continue;
    missing += one.missing();
    prompts.push_back(one.prompt);
    why = one.complaint;
  }
  if (missing == 0) return;
  const std::string what = fmt::format("the servers failed to give {} completions of {} prompts: {}", missing, prompts.size(), why);
  if (!options_.backfill)
    throw Error(ErrorKind::backend, what + ". See the server's log; the run can be started again, it goes on from its last checkpoint");
  log_.warning(what + "; the engine in this process samples them");
  backfilled_ += missing;
  const std::lock_guard lock(own_engine_);
  auto groups = InProcessSampler(model_, tokenizer_).generate(prompts, params);
  for (std::size_t i = 0, g = 0; i < asked.size(); ++i) {
    if (asked[i].missing() == 0) continue;
    Group& group = groups[g++];
    for (std::size_t c = 0; c < asked[i].completions.size(); ++c)
      if (!asked[i].completions[c]) {
        if (options_.sync) group.completions[c].weight_version = pool_.newest();
        asked[i].completions[c] = std::move(group.completions[c]);
      }
  }
}

}  // namespace grpo::remote
