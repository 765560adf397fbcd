/// Keys and values of growing texts, in pages of 64 tokens.
///
/// A text is a chain of runs: what it shares with others (a system prompt, a question) and its own end. A run's pages go
/// back to the pool with the last text that holds it, and serve the next one: nothing is padded, moved or copied.
/// tensor/page_attention.hpp says how they lie in a page.
#pragma once

#include "libgrpo/tensor/page_attention.hpp"

#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

namespace grpo {

/// What it is is its decoder's business: floats of a PagePool, or the place of a page in a device's memory.
using Page = std::shared_ptr<void>;

/// Pages outlive the pool if somebody holds them. thread: one caller at a time
class PagePool {
 public:
  explicit PagePool(PageShape shape);
  [[nodiscard]] const PageShape& shape() const { return shape_; }
  /// Aligned to 64 bytes; the padding of values is zero. cost: an allocation where no page is free
  Page take();
  /// Pages that were ever made.
  [[nodiscard]] std::int64_t made() const { return made_; }

 private:
  struct Free;
  PageShape shape_;
  std::shared_ptr<Free> free_;
  std::int64_t made_ = 0;
};

/// Consecutive tokens of one text, or of several that begin alike.
struct TextRun {
  explicit TextRun(std::shared_ptr<TextRun> before = nullptr) : parent(std::move(before)) {}

  std::shared_ptr<TextRun> parent;  ///< what comes before; gets no more tokens once this has one. Null at the beginning of a text
  std::int64_t position = 0;        ///< of the first token, which sets it
  std::int64_t length = 0;
  std::vector<Page> pages;
};

}  // namespace grpo
