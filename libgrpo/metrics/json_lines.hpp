/// metrics.jsonl: one JSON object per logged step, flushed line by line.
#pragma once

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <map>
#include <string>

namespace grpo {

class JsonLinesSink {
 public:
  /// Opens for appending after dropping lines beyond `resume_step` (and a torn last line), so that a resumed run's file equals
  /// an uninterrupted one's. resume_step 0 starts an empty file. throws: Error{backend} if it cannot be written
  JsonLinesSink(const std::filesystem::path& path, std::int64_t resume_step);

  /// {"step": step, name: value, ...}; non-finite values become null.
  void write(std::int64_t step, const std::map<std::string, double>& values);

 private:
  std::filesystem::path path_;
  std::ofstream out_;
};

}  // namespace grpo
