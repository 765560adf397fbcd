#include "libgrpo/checkpoint/manifest.hpp"

#include "libgrpo/base/error.hpp"
#include "libgrpo/base/files.hpp"

#include <fmt/format.h>
#include <fstream>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <vector>

#define XXH_INLINE_ALL  // nothing to link with
#include <xxhash.h>

namespace grpo {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

constexpr const char* kName = "manifest.json";
constexpr const char* kChecksum = "xxh3";

std::string show(XXH64_hash_t hash) { return fmt::format("{:016x}", hash); }

/// Nothing if the file cannot be read to its end.
std::optional<std::string> checksum_of(const fs::path& path) {
  const std::unique_ptr<XXH3_state_t, decltype(&XXH3_freeState)> state(XXH3_createState(), XXH3_freeState);
  XXH3_64bits_reset(state.get());
  std::ifstream in(path, std::ios::binary);
  std::vector<char> bytes(std::size_t{1} << 20);
  while (in.read(bytes.data(), static_cast<std::streamsize>(bytes.size())) || in.gcount() > 0)
    XXH3_64bits_update(state.get(), bytes.data(), static_cast<std::size_t>(in.gcount()));
  return in.eof() ? std::optional(show(XXH3_64bits_digest(state.get()))) : std::nullopt;
}

std::string checksum_of_text(const std::string& text) { return show(XXH3_64bits(text.data(), text.size())); }

/// Why a file is not what the manifest says; `said`: its size, or with format 2 size and checksum.
std::string file_damage(const fs::path& checkpoint, const std::string& name, const Json& said) {
  const bool sizes_alone = said.is_number_unsigned();
  if (!sizes_alone && !(said.is_object() && said.contains("size") && said["size"].is_number_unsigned() && said.contains(kChecksum)))
    return fmt::format("{} does not read: {}", kName, name);
  std::error_code reason;
  const auto size = fs::file_size(checkpoint / name, reason);
  if (reason) return fmt::format("{} is missing", name);
  const Json& expected = sizes_alone ? said : said["size"];
  if (size != expected.get<std::uintmax_t>()) return fmt::format("{} has {} bytes, the manifest says {}", name, size, expected.dump());
  if (sizes_alone) return {};
  const auto checksum = checksum_of(checkpoint / name);
  if (!checksum) return fmt::format("{} cannot be read", name);
  if (said[kChecksum] != *checksum)
    return fmt::format("{} has other bytes than were saved (checksum {}, the manifest says {})", name, *checksum, said[kChecksum].dump());
  return {};
}

}  // namespace

void write_manifest(const fs::path& folder, std::int64_t step) {
  std::map<std::string, Json> entries;  // in the order of names
  for (const auto& entry : fs::directory_iterator(folder)) {
    const auto checksum = checksum_of(entry.path());
    if (!checksum) throw Error(ErrorKind::data, entry.path().string() + ": cannot be read again after it was written");
    entries[entry.path().filename().string()] = {{"size", entry.file_size()}, {kChecksum, *checksum}};
  }
  Json json = {{"format", 2}, {"step", step}, {"files", Json::object()}};
  for (const auto& [name, said] : entries) json["files"][name] = said;
  json[kChecksum] = checksum_of_text(json.dump());
  write_file(folder / kName, json.dump(2) + "\n");
}

std::string checkpoint_damage(const fs::path& checkpoint) {
  const fs::path path = checkpoint / kName;
  if (!fs::exists(path)) return fmt::format("{} is missing", kName);
  Json json = Json::parse(read_file(path), nullptr, false);
  if (!json.is_object() || !json.contains("files") || !json["files"].is_object()) return fmt::format("{} does not read", kName);
  const Json format = json.value("format", Json());
  if (format != 1 && format != 2) return fmt::format("{} is of format {}, which this version does not know", kName, format.dump());
  if (format == 2) {
    const Json own = json.value(kChecksum, Json());
    json.erase(kChecksum);
    if (own != checksum_of_text(json.dump(-1, ' ', false, Json::error_handler_t::replace)))
      return fmt::format("{} has other contents than were saved", kName);
  }
  for (const auto& [name, said] : json["files"].items())
    if (std::string damage = file_damage(checkpoint, name, said); !damage.empty()) return damage;
  return {};
}

}  // namespace grpo
