#include "libgrpo/eval/journal.hpp"

#include "libgrpo/base/error.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <set>
#include <utility>

namespace grpo {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

/// "n: 4 there, 8 here", of the first key that differs.
std::string difference(const Json& there, const Json& here) {
  for (const auto& [key, value] : here.items())
    if (!there.is_object() || !there.contains(key) || there[key] != value)
      return fmt::format("{}: {} there, {} here", key, there.is_object() && there.contains(key) ? there[key].dump() : "nothing",
                         value.dump());
  return "it says more";
}

}  // namespace

EvalJournal::EvalJournal(fs::path path, const std::string& identity, std::vector<std::string> reward_names)
    : path_(std::move(path)), reward_names_(std::move(reward_names)) {
  std::error_code reason;
  const std::uintmax_t kept = fs::exists(path_, reason) ? read(identity) : 0;
  if (kept > 0) fs::resize_file(path_, kept, reason);
  if (!reason) out_.open(path_, std::ios::binary | (kept > 0 ? std::ios::app : std::ios::trunc));
  if (reason || !out_) throw Error(ErrorKind::backend, path_.string() + ": cannot be written");
  if (kept > 0) return;
  out_ << Json{{"run", Json::parse(identity)}}.dump() << "\n";
  if (!out_.flush()) throw Error(ErrorKind::backend, path_.string() + ": cannot be written (disk full?)");
}

/// returns: bytes of whole lines; 0 if not even the first is whole
std::uintmax_t EvalJournal::read(const std::string& identity) {
  std::ifstream in(path_, std::ios::binary);
  if (!in) throw Error(ErrorKind::data, path_.string() + ": cannot be read");
  std::set<std::size_t> seen;
  std::uintmax_t kept = 0;
  std::size_t number = 1;
  for (std::string line; std::getline(in, line) && !in.eof(); ++number, kept += line.size() + 1) {
    if (number == 1) {
      const Json first = Json::parse(line, nullptr, false), here = Json::parse(identity);
      if (!first.is_object() || !first.contains("run"))
        throw Error(ErrorKind::recipe, path_.string() + ": is no file of an evaluation; name another --output");
      if (first["run"] != here)
        throw Error(ErrorKind::recipe, fmt::format("{}: is of another evaluation ({}); name another --output, or remove it", path_.string(),
                                                   difference(first["run"], here)));
      continue;
    }
    try {
      found_.push_back(read_answered(line, reward_names_));
    } catch (const Error& error) {
      throw Error(ErrorKind::data, fmt::format("{}:{}: {}", path_.string(), number, error.what()));
    }
    if (!seen.insert(found_.back().question).second)
      throw Error(ErrorKind::data, fmt::format("{}:{}: question {} was answered before", path_.string(), number, found_.back().question));
  }
  return kept;
}

void EvalJournal::write(const AnsweredQuestion& one) {
  out_ << to_json_line(one, reward_names_) << "\n";
  if (!out_.flush()) throw Error(ErrorKind::backend, path_.string() + ": cannot be written (disk full?)");
}

}  // namespace grpo
