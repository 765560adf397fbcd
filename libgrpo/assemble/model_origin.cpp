#include "libgrpo/assemble/model_origin.hpp"

#include "libgrpo/base/error.hpp"
#include "libgrpo/base/random.hpp"
#include "libgrpo/config/load.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <fstream>
#include <vector>

namespace grpo {
namespace {

namespace fs = std::filesystem;

std::uint64_t digest_file(const fs::path& path, std::uint64_t hash) {
  constexpr std::streamoff kBytes = 64 << 10;
  std::ifstream in(path, std::ios::binary | std::ios::ate);
  const std::streamoff size = in.tellg();
  hash = fnv1a(fmt::format("{} {}", path.filename().string(), size), hash);
  for (const std::streamoff from : {std::streamoff{0}, std::max<std::streamoff>(size - kBytes, 0)}) {
    std::string bytes(static_cast<std::size_t>(std::min(kBytes, size)), '\0');
    in.seekg(from);
    in.read(bytes.data(), static_cast<std::streamsize>(bytes.size()));
    hash = fnv1a(bytes, hash);
  }
  return hash;
}

std::uint64_t digest_folder(const fs::path& folder, std::uint64_t hash) {
  std::vector<fs::path> files;
  for (const auto& entry : fs::directory_iterator(folder)) {
    const std::string name = entry.path().filename().string();
    if (entry.is_regular_file() && (entry.path().extension() == ".safetensors" || name == "config.json" || name == "adapter_config.json") &&
        name != "optimizer.safetensors")
      files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  for (const fs::path& file : files) hash = digest_file(file, hash);
  return hash;
}

}  // namespace

std::string model_digest(const ModelPlace& place) {
  const std::uint64_t none = fnv1a("");
  std::uint64_t hash = fs::is_directory(place.weights) ? digest_folder(place.weights, none) : digest_file(place.weights, none);
  if (place.adapters) hash = digest_folder(*place.adapters, hash);
  return fmt::format("{:016x}", hash);
}

std::optional<std::string> untrained_model(const ModelPlace& place) {
  if (place.adapters) return place.weights.string();
  const fs::path recipe = place.weights / "recipe.resolved.toml";
  std::error_code ignored;
  if (!fs::exists(recipe, ignored)) return std::nullopt;
  try {
    const std::string name = load_recipe("", recipe, {}).recipe.policy.model_name_or_path;
    if (fs::equivalent(name, place.weights, ignored)) return std::nullopt;
    return name;
  } catch (const Error&) {
    return std::nullopt;  // of another version: it says nothing that we understand
  }
}

}  // namespace grpo
