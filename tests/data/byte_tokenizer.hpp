/// A tokenizer whose ids are the bytes of the text, and a source of rows written in a test.
#pragma once

#include "libgrpo/data/prompt_source.hpp"
#include "libgrpo/text/tokenizer.hpp"

#include <string>
#include <utility>
#include <vector>

namespace grpo::test {

class ByteTokenizer final : public Tokenizer {
 public:
  [[nodiscard]] std::vector<std::int32_t> encode(std::string_view text) const override {
    std::vector<std::int32_t> ids;
    for (const char c : text) ids.push_back(static_cast<unsigned char>(c));
    return ids;
  }
  [[nodiscard]] std::string decode(std::span<const std::int32_t> ids, bool) const override {
    std::string text;
    for (const std::int32_t id : ids) text += token_bytes(id);
    return text;
  }
  [[nodiscard]] std::string token_bytes(std::int32_t id) const override { return {static_cast<char>(id)}; }
  [[nodiscard]] std::int64_t vocab_size() const override { return 256; }
  [[nodiscard]] std::int32_t id_of(std::string_view) const override { return -1; }
  [[nodiscard]] bool is_special(std::int32_t) const override { return false; }
  [[nodiscard]] std::vector<std::pair<std::string, std::string>> files() const override { return {}; }
};

class Rows final : public PromptSource {
 public:
  explicit Rows(std::vector<Row> rows) : rows_(std::move(rows)) {}
  /// `count` rows whose questions are "name 0", "name 1", ...
  Rows(const std::string& name, std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) {
      rows_.emplace_back();
      rows_.back().question = name + " " + std::to_string(i);
      rows_.back().origin = name + ":" + std::to_string(i + 1);
    }
  }
  [[nodiscard]] std::size_t size() const override { return rows_.size(); }
  [[nodiscard]] Row row(std::size_t index) const override { return rows_.at(index); }

 private:
  std::vector<Row> rows_;
};

inline std::vector<std::string> questions(const PromptSource& source) {
  std::vector<std::string> all;
  for (std::size_t i = 0; i < source.size(); ++i) all.push_back(source.row(i).question);
  return all;
}

}  // namespace grpo::test
