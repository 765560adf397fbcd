/// One GGUF file by itself: a whole model, or one part of a split one. Internal to format/.
///
/// Every offset, length and count is checked against the file before use.
#pragma once

#include "libgrpo/format/gguf.hpp"

#include <filesystem>
#include <vector>

namespace grpo::detail {

struct GgufPart {
  MappedFile file;
  GgufMetadata metadata;
  std::vector<GgufTensor> tensors;
};

/// throws: Error{data} that names the file, the item and the byte. cost: reads metadata only
GgufPart read_gguf_part(const std::filesystem::path& path);

}  // namespace grpo::detail
