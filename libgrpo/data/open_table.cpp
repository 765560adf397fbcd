#include "libgrpo/base/error.hpp"
#include "libgrpo/data/arrow_files.hpp"
#include "libgrpo/data/scratch_rows.hpp"
#include "libgrpo/data/table.hpp"
#include "libgrpo/data/text_tables.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <string_view>
#include <system_error>
#include <utility>

namespace grpo::detail {
namespace {

namespace fs = std::filesystem;

std::string lower(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return text;
}

bool looks_like_gsm8k(const fs::path& path) {
  const std::string name = lower(path.string());
  return name.find("gsm8k") != std::string::npos || name.find("gsm-8k") != std::string::npos;
}

std::string how_to_get(const fs::path& path) {
  const std::string option = "Name the file with dataset_name, eval_dataset_name or the id of a dataset_mixture entry";
  if (!looks_like_gsm8k(path)) {
    return option + ": JSON lines, JSON, CSV or Parquet with the question and the gold answer in two of its columns.";
  }
  return "GSM8K comes by `hf download --repo-type dataset openai/gsm8k`; then dataset_name = \"openai/gsm8k\" and dataset_config = "
         "\"main\" find it. Its column is dataset_prompt_column = \"question\".";
}

void check_there(const fs::path& path) {
  std::error_code problem;
  if (fs::status(path, problem).type() == fs::file_type::not_found)
    throw Error{ErrorKind::data, fmt::format("{}: no such file. {}", path.string(), how_to_get(path))};
}

bool is_packed(const fs::path& path) { return path.extension() == ".gz" || path.extension() == ".zst"; }

// The extension that says what is inside: ".jsonl" of a.jsonl.gz.
std::string kind_of(const fs::path& path) { return lower((is_packed(path) ? path.stem() : path).extension().string()); }

bool begins_like_parquet(const MappedFile& file) {
  const auto bytes = file.bytes();
  return bytes.size() >= 4 && std::string_view(reinterpret_cast<const char*>(bytes.data()), 4) == "PAR1";
}

}  // namespace

bool is_data_file(const fs::path& path) {
  const std::string kind = kind_of(path);
  if (kind == ".parquet") return !is_packed(path);
  return kind == ".jsonl" || kind == ".ndjson" || kind == ".json" || kind == ".csv" || kind == ".tsv";
}

std::unique_ptr<Table> open_table(const fs::path& path, const std::vector<std::string>& only) {
  check_there(path);
  const std::string kind = kind_of(path);
  if (kind == ".parquet" && !is_packed(path)) return open_parquet(path, only);
  if (kind == ".csv" || kind == ".tsv") {
    ScratchRows rows;
    read_csv(path, [&rows](std::string_view line) { rows.write(line); });
    return lines_table(rows.map(), path, LineNames::records);
  }
  MappedFile file;
  if (is_packed(path)) {
    ScratchRows rows;
    unpack(path, [&rows](std::string_view piece) { rows.write(piece); });
    file = rows.map();
  } else {
    file = MappedFile(path);
    if (begins_like_parquet(file)) {
      throw Error{ErrorKind::data, fmt::format("{}: a Parquet file, to be named with .parquet at its end", path.string())};
    }
  }
  return is_json_array(file) ? array_table(std::move(file), path) : lines_table(std::move(file), path, LineNames::lines);
}

}  // namespace grpo::detail
