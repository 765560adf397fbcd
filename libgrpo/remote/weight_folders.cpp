#include "libgrpo/remote/weight_folders.hpp"

#include "libgrpo/base/files.hpp"
#include "libgrpo/policy/model_config.hpp"
#include "libgrpo/policy/weights_write.hpp"
#include "libgrpo/remote/weight_channel.hpp"
#include "libgrpo/tensor/precompiled.hpp"

#include <fmt/format.h>

namespace grpo::remote {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kPrefix = "step-";

}  // namespace

WeightFolders::WeightFolders(fs::path folder) : folder_(fs::absolute(std::move(folder))) {}

fs::path WeightFolders::path(std::int64_t version) const { return folder_ / fmt::format("{}{:08}", kPrefix, version); }

std::string WeightFolders::write(const CausalLm& model, std::int64_t version) const {
  const fs::path whole = path(version), partial = folder_ / fmt::format("{}partial", kPrefix);
  std::error_code ignored;
  fs::remove_all(partial, ignored);
  make_folder(partial);
  const NamedTensors tensors = published(model, true);
  if (model.lora()) {
    model.save(partial);
  } else {
    write_file(partial / "config.json", to_config_json(model.config()));
    write_file(partial / "generation_config.json", to_generation_config_json(model.config()));
    std::vector<NamedSlice> slices;
    for (const auto& [name, tensor] : tensors) slices.push_back({name, {}, tensor});
    write_model_weights(partial, slices);
  }
  sync_file(partial);
  fs::remove_all(whole, ignored);
  rename_durably(partial, whole);
  return checksum_of(tensors);
}

void WeightFolders::keep_only(std::int64_t version) const {
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(folder_, ignored))
    if (entry.path() != path(version) && entry.path().filename().string().starts_with(kPrefix)) fs::remove_all(entry.path(), ignored);
}

void WeightFolders::remove() const {
  keep_only(-1);
  std::error_code ignored;
  fs::remove(folder_, ignored);
}

}  // namespace grpo::remote
