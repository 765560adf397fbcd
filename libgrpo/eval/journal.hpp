/// The answered questions of a run, on disk as they come, so that a run that was killed goes on where it was.
///
/// A file of JSON lines: first {"run": {...}}, what decides the answers, then answered.hpp's lines in the order in which questions were
/// done. A last line that is cut off is dropped, and its question asked again.
#pragma once

#include "libgrpo/eval/answered.hpp"

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

namespace grpo {

class EvalJournal {
 public:
  /// Reads what is there, or begins a new file. `identity`: a JSON object.
  /// throws: Error{recipe} if the file is of another run, saying how they differ; Error{data} with file and line if it is damaged
  /// elsewhere than in its last line; Error{backend} if it cannot be written
  EvalJournal(std::filesystem::path path, const std::string& identity, std::vector<std::string> reward_names);

  /// In the order of the file.
  [[nodiscard]] const std::vector<AnsweredQuestion>& found() const { return found_; }
  /// Flushed. throws: Error{backend}
  void write(const AnsweredQuestion& one);

 private:
  std::uintmax_t read(const std::string& identity);
  std::filesystem::path path_;
  std::vector<std::string> reward_names_;
  std::vector<AnsweredQuestion> found_;
  std::ofstream out_;
};

}  // namespace grpo
