/// A packed sequence of tokens with shared beginnings: a forest of segments, no padding.
///
/// A segment is a run of consecutive rows of the packed tensors. Its tokens see all tokens of its ancestors and, causally,
/// its own. So a system prompt shared by all questions, a question shared by its G completions, and each completion's own
/// tokens are all stored, and computed, once:
///
///     root: system prompt
///       +-- question 1 +-- completion 1.1
///       |              +-- completion 1.2
///       +-- question 2 +-- completion 2.1
#pragma once

#include <cstdint>
#include <vector>

namespace grpo {

struct Segment {
  std::int64_t begin = 0;     ///< first row
  std::int64_t length = 0;    ///< rows, at least 1
  std::int64_t parent = -1;   ///< index of the parent segment, always lower than the own index; -1 for a root
  std::int64_t position = 0;  ///< position of the first token in its text (= total length of the ancestors)
};

struct SegmentTree {
  std::vector<Segment> segments;
  std::int64_t rows = 0;  ///< sum of lengths

  /// Appends a segment behind the existing rows; returns its index.
  std::int64_t add(std::int64_t length, std::int64_t parent) {
    const std::int64_t position =
        parent < 0 ? 0 : segments[static_cast<std::size_t>(parent)].position + segments[static_cast<std::size_t>(parent)].length;
    segments.push_back({rows, length, parent, position});
    rows += length;
    return static_cast<std::int64_t>(segments.size()) - 1;
  }
  /// Segments from the root down to `index`, inclusive.
  [[nodiscard]] std::vector<Segment> path(std::int64_t index) const {
    std::vector<Segment> found;
    for (; index >= 0; index = segments[static_cast<std::size_t>(index)].parent)
      found.insert(found.begin(), segments[static_cast<std::size_t>(index)]);
    return found;
  }
};

}  // namespace grpo
