#include "libgrpo/serve/engine_loop.hpp"

#include "libgrpo/base/error.hpp"
#include "libgrpo/serve/api_error.hpp"
#include "libgrpo/tensor/precompiled.hpp"

#include <algorithm>
#include <fmt/format.h>

namespace grpo::serve {

using std::int64_t;

namespace {

int64_t whole_pages(int64_t tokens) { return (tokens + kPageTokens - 1) / kPageTokens * kPageTokens; }

}  // namespace

EngineLoop::EngineLoop(std::shared_ptr<const CausalLm> model, const Tokenizer& tokenizer, EngineOptions options)
    : options_(options), tokenizer_(tokenizer), config_(model->config()), model_(std::move(model)) {
  make_batch();
  thread_ = std::thread([this] { work(); });
}

EngineLoop::~EngineLoop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    wake_.notify_one();
  }
  thread_.join();
}

void EngineLoop::make_batch() {
  batch_ = std::make_unique<ContinuousBatch>(*model_, tokenizer_, options_.max_rows, options_.prefix_tokens);
}

int64_t EngineLoop::completion_tokens(const GenerationRequest& request) const { return whole_pages(request.params.max_completion_length); }

int64_t EngineLoop::prompt_tokens(const GenerationRequest& request) const {
  int64_t tokens = 0;
  for (const Prompt& prompt : request.prompts) tokens += whole_pages(static_cast<int64_t>(prompt.ids.size()));
  return tokens;
}

std::shared_ptr<Job> EngineLoop::submit(GenerationRequest request) {
  const int64_t least = prompt_tokens(request) + completion_tokens(request);
  if (least > options_.max_cache_tokens)
    throw ApiError(400, fmt::format("the request needs keys and values of {} tokens, and there is memory for {}; send fewer or "
                                    "shorter prompts, or start the server with a larger --kv_cache_gb",
                                    least, options_.max_cache_tokens));
  auto job = std::make_shared<Job>(std::move(request));
  const std::lock_guard lock(mutex_);
  if (draining_ || stopping_) throw ApiError(503, "the server is shutting down");
  if (status_.waiting >= options_.max_waiting)
    throw ApiError(429,
                   fmt::format("{} requests wait already, as many as --max_waiting_requests allows; try again later", status_.waiting));
  const std::string& client = job->request().client;
  auto line = std::find_if(lines_.begin(), lines_.end(), [&](const Line& one) { return one.client == client; });
  if (line == lines_.end()) line = lines_.insert(lines_.end(), {client, {}});
  line->tasks.push_back(std::make_shared<Task>(Task{job}));
  ++status_.waiting;
  wake_.notify_one();
  return job;
}

void EngineLoop::cancel(Job& job) {
  const std::lock_guard lock(mutex_);
  job.cancel();
  cancelled_ = true;
  wake_.notify_one();
}

void EngineLoop::pause(PauseMode mode) {
  Lock lock(mutex_);
  held_ = true;
  frozen_ = mode == PauseMode::keep;
  if (mode == PauseMode::abort)
    for (const auto& task : begun_) {
      task->job->end(Ending::aborted);
      task->job->cancel();
    }
  cancelled_ = cancelled_ || mode == PauseMode::abort;
  wake_.notify_one();
  changed_.wait(lock, [&] { return (frozen_ ? !stepping_ : begun_.empty()) || !held_ || stopping_; });
}

void EngineLoop::resume() {
  const std::lock_guard lock(mutex_);
  held_ = frozen_ = false;
  wake_.notify_one();
  changed_.notify_all();
}

int64_t EngineLoop::update(std::shared_ptr<const CausalLm> model, std::optional<int64_t> version) {
  auto update = std::make_shared<Update>(Update{std::move(model), version});
  Lock lock(mutex_);
  updates_.push_back(update);
  wake_.notify_one();
  changed_.wait(lock, [&] { return update->done || stopping_; });
  if (!update->done) throw ApiError(503, "the server is shutting down");
  return *update->done;
}

void EngineLoop::reset_prefix_cache() {
  Lock lock(mutex_);
  changed_.wait(lock, [&] { return !stepping_; });
  batch_->prefix_cache().clear();
}

void EngineLoop::drain(std::chrono::milliseconds longest) {
  Lock lock(mutex_);
  draining_ = true;
  held_ = frozen_ = false;
  wake_.notify_one();
  if (changed_.wait_for(lock, longest, [&] { return begun_.empty() && status_.waiting == 0; })) return;
  stopping_ = true;
  wake_.notify_one();
  changed_.wait(lock, [&] { return begun_.empty() && status_.waiting == 0; });
}

EngineStatus EngineLoop::status() const {
  const std::lock_guard lock(mutex_);
  EngineStatus now = status_;
  now.running = static_cast<int64_t>(begun_.size());
  now.paused = held_;
  return now;
}

bool EngineLoop::something_to_do() const {
  if (stopping_ || cancelled_) return true;
  if (!updates_.empty() && (frozen_ || begun_.empty())) return true;
  if (frozen_) return false;
  return !begun_.empty() || (status_.waiting > 0 && !held_ && updates_.empty());
}

void EngineLoop::work() {
  const at::NoGradGuard no_grad;
  if (options_.num_threads > 0) at::set_num_threads(static_cast<int>(options_.num_threads));  // a property of the thread
  Lock lock(mutex_);
  while (true) {
    wake_.wait(lock, [&] { return something_to_do(); });
    drop_cancelled();
    if (stopping_) break;
    install_update();
    if (!frozen_) admit();
    if (!frozen_ && batch_->rows() > 0) step(lock);
    end_finished();
    changed_.notify_all();
  }
  abort_all();
}

/// Fills the free places, one completion of one client at a time.
void EngineLoop::admit() {
  std::size_t refused = 0;  // clients in a row that had nothing that could enter
  bool crowded = false;     // memory was short for somebody: nobody new goes before him
  while (!batch_->full() && refused < lines_.size()) {
    lines_.splice(lines_.end(), lines_, lines_.begin());
    refused = admit_one(lines_.back(), crowded) ? 0 : refused + 1;
    if (lines_.back().tasks.empty()) lines_.pop_back();
  }
}

bool EngineLoop::admit_one(Line& line, bool& crowded) {
  const std::shared_ptr<Task> task = line.tasks.front();
  const GenerationRequest& request = task->job->request();
  const bool fresh = !task->wave;
  if (fresh && (held_ || crowded || !updates_.empty())) return false;
  const int64_t needed = completion_tokens(request) + (fresh ? prompt_tokens(request) : 0);
  if (cache_tokens_ + needed > options_.max_cache_tokens) {
    crowded = true;
    return false;
  }
  if (fresh) begin(task);
  cache_tokens_ += needed;
  task->cache_tokens += needed;
  batch_->enter(*task->wave);
  if (!task->wave->waiting()) line.tasks.pop_front();
  return true;
}

void EngineLoop::begin(const std::shared_ptr<Task>& task) {
  const GenerationRequest& request = task->job->request();
  const auto per_prompt = static_cast<std::size_t>(request.params.num_generations);
  for (const Prompt& prompt : request.prompts) task->groups.push_back({prompt, std::vector<Completion>(per_prompt)});
  WaveOptions options = request.options;
  options.on_token = [this, one = task.get(), per_prompt](std::size_t group, std::size_t sample) {
    const Completion& grown = one->groups[group].completions[sample];
    DrawnToken token{group * per_prompt + sample, grown.ids.back(), grown.log_probs.back(), grown.entropies.back(), {}};
    if (one->job->request().options.top_log_probs > 0) token.alternatives = one->wave->alternatives(group, sample).back();
    one->job->add(std::move(token));
    ++drawn_;
  };
  options.on_finish = [this, one = task.get(), per_prompt](std::size_t group, std::size_t sample) {
    const int64_t freed = completion_tokens(one->job->request());
    cache_tokens_ -= freed;
    one->cache_tokens -= freed;
    one->job->finish(group * per_prompt + sample, one->groups[group].completions[sample].finish);
  };
  task->wave = std::make_unique<Wave>(task->groups, request.params, std::move(options));
  task->job->begin(status_.version);
  begun_.push_back(task);
  --status_.waiting;
}

void EngineLoop::step(Lock& lock) {
  stepping_ = true;
  lock.unlock();
  std::string failure;
  try {
    batch_->step();
  } catch (const std::exception& error) {
    failure = error.what();
  }
  lock.lock();
  stepping_ = false;
  status_.drawn_tokens = drawn_;
  status_.rows = static_cast<int64_t>(batch_->rows());
  status_.prefix_tokens = batch_->prefix_cache().tokens();
  status_.prefix_found = batch_->prefix_cache().found();
  if (failure.empty()) return;
  // The step was not finished, so no text in the batch can go on.
  for (const auto& task : begun_) {
    task->job->end(Ending::failed, failure);
    task->job->cancel();
  }
  batch_.reset();
  drop_cancelled();
  make_batch();
}

/// Takes out what nobody waits for any more.
void EngineLoop::drop_cancelled() {
  cancelled_ = false;
  const auto gone = [](const std::shared_ptr<Task>& task) { return task->job->cancelled(); };
  for (auto line = lines_.begin(); line != lines_.end();) {
    for (const auto& task : line->tasks) status_.waiting -= gone(task) && !task->wave ? 1 : 0;
    std::erase_if(line->tasks, gone);
    line = line->tasks.empty() ? lines_.erase(line) : std::next(line);
  }
  begun_.remove_if([&](const std::shared_ptr<Task>& task) {
    if (!gone(task)) return false;
    if (batch_) batch_->remove(*task->wave);
    cache_tokens_ -= task->cache_tokens;
    return true;
  });
  status_.rows = batch_ ? static_cast<int64_t>(batch_->rows()) : 0;
  changed_.notify_all();
}

void EngineLoop::install_update() {
  while (!updates_.empty() && (frozen_ || begun_.empty())) {
    Update& update = *updates_.front();
    const std::shared_ptr<const CausalLm> old = std::exchange(model_, update.model);
    batch_->use(*model_);
    status_.version = update.version.value_or(status_.version + 1);
    for (const auto& task : begun_) task->job->go_on_with(status_.version);
    update.done = status_.version;
    updates_.pop_front();
  }
}

void EngineLoop::end_finished() {
  begun_.remove_if([&](const std::shared_ptr<Task>& task) {
    if (!task->wave->done()) return false;
    std::string failure;
    try {
      if (task->wave->failure()) std::rethrow_exception(task->wave->failure());
    } catch (const std::exception& error) {
      failure = error.what();
    }
    task->job->end(failure.empty() ? Ending::done : Ending::failed, failure);
    if (!failure.empty()) {  // its completions that have not entered never will
      task->job->cancel();
      cancelled_ = true;
    }
    cache_tokens_ -= task->cache_tokens;
    return true;
  });
}

void EngineLoop::abort_all() {
  const auto cut = [](Job& job) {
    job.end(Ending::aborted);
    job.cancel();
  };
  for (const auto& task : begun_) cut(*task->job);
  for (const Line& line : lines_)
    for (const auto& task : line.tasks) cut(*task->job);
  drop_cancelled();
}

}  // namespace grpo::serve
