#include "libgrpo/metrics/json_lines.hpp"

#include "libgrpo/base/error.hpp"

#include <cmath>
#include <nlohmann/json.hpp>
#include <string>

namespace grpo {
namespace {

std::string lines_up_to(const std::filesystem::path& path, std::int64_t last_step) {
  std::ifstream in(path, std::ios::binary);
  std::string kept, line;
  while (last_step > 0 && std::getline(in, line)) {
    const auto json = nlohmann::json::parse(line, nullptr, false);
    if (!json.is_object() || !json.contains("step") || !json["step"].is_number_integer()) continue;
    if (json["step"].get<std::int64_t>() <= last_step) kept += line + "\n";
  }
  return kept;
}

}  // namespace

JsonLinesSink::JsonLinesSink(const std::filesystem::path& path, std::int64_t resume_step) : path_(path) {
  const std::string kept = lines_up_to(path, resume_step);
  // Written beside and renamed: a crash here must not lose the lines of the first part of the run.
  const std::filesystem::path fresh = path.string() + ".partial";
  std::error_code reason;
  {
    std::ofstream start(fresh, std::ios::binary | std::ios::trunc);
    start << kept;
    if (!start.flush()) throw Error(ErrorKind::backend, fresh.string() + ": cannot be written");
  }
  std::filesystem::rename(fresh, path, reason);
  if (!reason) out_.open(path, std::ios::binary | std::ios::app);
  if (reason || !out_) throw Error(ErrorKind::backend, path.string() + ": cannot be written");
}

void JsonLinesSink::write(std::int64_t step, const std::map<std::string, double>& values) {
  nlohmann::ordered_json line = {{"step", step}};
  for (const auto& [name, value] : values) line[name] = std::isfinite(value) ? nlohmann::ordered_json(value) : nullptr;
  out_ << line.dump() << "\n";
  if (!out_.flush()) throw Error(ErrorKind::backend, path_.string() + ": cannot be written (disk full?)");
}

}  // namespace grpo
