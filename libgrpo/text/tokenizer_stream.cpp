// encode_batch and StreamDecoder: what can be done with any Tokenizer.
#include "libgrpo/base/utf8.hpp"
#include "libgrpo/text/tokenizer.hpp"

#include <algorithm>
#include <atomic>
#include <exception>
#include <thread>

namespace grpo {
namespace {

constexpr std::size_t kChunk = 16;  // texts that a thread takes at once

/// Joined even if a later thread cannot be started.
class Crew {
 public:
  ~Crew() {
    for (std::thread& thread : threads_) thread.join();
  }
  template <class Work>
  void start(Work& work) {
    threads_.emplace_back([&work] { work(); });
  }

 private:
  std::vector<std::thread> threads_;
};

}  // namespace

std::vector<std::vector<std::int32_t>> encode_batch(const Tokenizer& tokenizer, std::span<const std::string> texts, int threads) {
  std::vector<std::vector<std::int32_t>> ids(texts.size());
  const std::size_t chunks = (texts.size() + kChunk - 1) / kChunk;
  const std::size_t wanted =
      threads > 0 ? static_cast<std::size_t>(threads) : std::max<std::size_t>(1, std::thread::hardware_concurrency());
  std::atomic<std::size_t> next{0};
  std::vector<std::exception_ptr> failures(chunks);
  const auto work = [&] {
    for (std::size_t chunk = next++; chunk < chunks; chunk = next++) {
      try {
        for (std::size_t i = chunk * kChunk; i < std::min(texts.size(), (chunk + 1) * kChunk); ++i) ids[i] = tokenizer.encode(texts[i]);
      } catch (...) {
        failures[chunk] = std::current_exception();
        next = chunks;  // the chunks before this one are taken already: the first failure is known
      }
    }
  };
  {
    Crew crew;
    for (std::size_t i = 1; i < std::min(wanted, chunks); ++i) crew.start(work);
    work();
  }
  for (const std::exception_ptr& failure : failures) {
    if (failure) std::rethrow_exception(failure);
  }
  return ids;
}

std::string StreamDecoder::push(std::int32_t id) {
  if (tokenizer_.is_special(id)) return {};
  const TokenFlow flow = tokenizer_.flow(id);
  if (flow == TokenFlow::bytes) {
    pending_ += tokenizer_.token_bytes(id);
    const std::size_t held = incomplete_utf8_tail(pending_);
    std::string ready = replace_invalid_utf8(std::string_view(pending_).substr(0, pending_.size() - held));
    pending_.erase(0, pending_.size() - held);
    return ready;
  }
  held_.push_back(id);
  return flow == TokenFlow::text ? take_text() : std::string();
}

/// What the held tokens add to the context, which then needs only to be some text: whatever a decoder does at the
/// beginning alone is behind it.
std::string StreamDecoder::take_text() {
  const std::string before = context_.empty() ? std::string() : tokenizer_.decode(context_);
  std::vector<std::int32_t> together = context_;
  together.insert(together.end(), held_.begin(), held_.end());
  const std::string all = tokenizer_.decode(together);
  if (!tokenizer_.decode(held_).empty()) {
    context_.swap(held_);
  } else if (before.empty()) {
    context_.swap(together);
  }
  held_.clear();
  return all.substr(std::min(before.size(), all.size()));
}

std::string StreamDecoder::finish() {
  std::string rest = replace_invalid_utf8(pending_);
  pending_.clear();
  if (!held_.empty()) rest += take_text();
  context_.clear();
  return rest;
}

}  // namespace grpo
