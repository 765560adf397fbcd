#include "libgrpo/policy/weights_write.hpp"

#include "libgrpo/base/error.hpp"
#include "libgrpo/base/files.hpp"
#include "libgrpo/policy/lora.hpp"
#include "libgrpo/policy/tensor_file.hpp"
#include "libgrpo/tensor/precompiled.hpp"

#include <algorithm>
#include <cctype>
#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <string_view>
#include <system_error>
#include <utility>

namespace grpo {
namespace {

namespace fs = std::filesystem;

constexpr const char* kSingle = "model.safetensors";
constexpr const char* kIndex = "model.safetensors.index.json";

struct Shard {
  std::vector<const NamedSlice*> slices;
  std::uint64_t bytes = 0;

  void add(const NamedSlice& slice) {
    slices.push_back(&slice);
    bytes += slice.slice.nbytes();
  }
};

/// In order. An oversized tensor goes ahead of the shard that is being filled, and does not end it.
std::vector<Shard> split(const std::vector<NamedSlice>& slices, std::uint64_t max_bytes) {
  std::vector<Shard> shards;
  Shard open;
  for (const NamedSlice& slice : slices) {
    const std::uint64_t bytes = slice.slice.nbytes();
    if (bytes > max_bytes) {
      shards.emplace_back().add(slice);
      continue;
    }
    if (open.bytes + bytes > max_bytes) shards.push_back(std::exchange(open, {}));
    open.add(slice);
  }
  if (!open.slices.empty() || shards.empty()) shards.push_back(open);
  return shards;
}

/// Ends as a whole file of that name, or as none.
template <class Write>
void write_aside(const fs::path& path, const Write& write) {
  const fs::path partial = path.parent_path() / fmt::format(".{}.partial", path.filename().string());
  write(partial);
  rename_durably(partial, path);
}

void write_shard(const fs::path& path, const Shard& shard) {
  NamedTensors tensors;
  for (const NamedSlice* slice : shard.slices) tensors.emplace_back(slice->name, slice->slice);
  write_aside(path, [&](const fs::path& partial) { write_tensors(partial, tensors, {{"format", "pt"}}); });
}

/// model-<digits>-of-<digits>.safetensors
bool is_shard_name(std::string_view name) {
  const auto take = [&](std::string_view text) {
    const bool there = name.starts_with(text);
    if (there) name.remove_prefix(text.size());
    return there;
  };
  const auto take_digits = [&] {
    const auto end = std::find_if(name.begin(), name.end(), [](unsigned char c) { return std::isdigit(c) == 0; });
    const auto count = static_cast<std::size_t>(end - name.begin());
    name.remove_prefix(count);
    return count > 0;
  };
  return take("model-") && take_digits() && take("-of-") && take_digits() && name == ".safetensors";
}

}  // namespace

void write_model_weights(const fs::path& folder, const std::vector<NamedSlice>& slices, std::uint64_t max_shard_bytes) {
  const std::vector<Shard> shards = split(slices, max_shard_bytes);
  std::set<std::string> written;
  if (shards.size() == 1) {
    write_shard(folder / kSingle, shards.front());
    written.insert(kSingle);
  } else {
    std::uint64_t total = 0;
    nlohmann::json map = nlohmann::json::object();
    for (std::size_t i = 0; i < shards.size(); ++i) {
      const std::string name = fmt::format("model-{:05}-of-{:05}.safetensors", i + 1, shards.size());
      write_shard(folder / name, shards[i]);
      written.insert(name);
      total += shards[i].bytes;
      for (const NamedSlice* slice : shards[i].slices) map[slice->name] = name;
    }
    const nlohmann::json index = {{"metadata", {{"total_size", total}}}, {"weight_map", map}};
    write_aside(folder / kIndex, [&](const fs::path& partial) { write_file(partial, index.dump(2) + "\n"); });
    written.insert(kIndex);
  }
  remove_other_weight_files(folder, written);
}

void remove_other_weight_files(const fs::path& folder, const std::set<std::string>& kept) {
  std::vector<fs::path> stale;
  for (const auto& entry : fs::directory_iterator(folder)) {
    const std::string name = entry.path().filename().string();
    const bool adapter = name == kAdapterConfigFile || name == kAdapterWeightsFile;
    if ((name == kSingle || name == kIndex || adapter || is_shard_name(name)) && !kept.contains(name)) stale.push_back(entry.path());
  }
  for (const fs::path& path : stale) {
    std::error_code reason;
    fs::remove(path, reason);
    if (reason)
      throw Error(ErrorKind::backend, fmt::format("{}: weights of an earlier save cannot be removed: {}; remove them, or the folder "
                                                  "holds two models",
                                                  path.string(), reason.message()));
  }
}

}  // namespace grpo
