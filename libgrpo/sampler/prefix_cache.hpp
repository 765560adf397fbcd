/// Keys and values of prompts that were computed, for later prompts that begin alike.
///
/// What two texts share is taken as it lies: the tokens behind it attend to pages that the other text filled, and nothing is copied.
/// A token's result does not depend on who computed its beginning, so a text is the same to the last bit with and without the cache.
#pragma once

#include "libgrpo/sampler/kv_pages.hpp"

#include <cstdint>
#include <list>
#include <memory>
#include <span>
#include <vector>

namespace grpo {

/// thread: one caller at a time
class PrefixCache {
 public:
  /// Prompts of at most so many tokens in all are kept, the ones used last. 0: none
  explicit PrefixCache(std::int64_t max_tokens) : max_tokens_(max_tokens) {}

  /// The longest beginning of `ids`, of at most `most` tokens, that a kept prompt has too; null if there is none.
  /// cost: a comparison with every kept prompt
  [[nodiscard]] std::shared_ptr<TextRun> find(std::span<const std::int32_t> ids, std::int64_t most);
  /// `end`: the run that holds the last of `ids`; it gets no more tokens.
  void keep(std::vector<std::int32_t> ids, std::shared_ptr<TextRun> end);
  void clear();

  [[nodiscard]] std::int64_t tokens() const { return tokens_; }  ///< kept now
  [[nodiscard]] std::int64_t found() const { return found_; }    ///< ever taken from it

 private:
  struct Kept {
    std::vector<std::int32_t> ids;
    std::shared_ptr<TextRun> end;
  };
  std::int64_t max_tokens_, tokens_ = 0, found_ = 0;
  std::list<Kept> kept_;  // the one used last first
};

}  // namespace grpo
