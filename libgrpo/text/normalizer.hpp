/// The normalizers of tokenizer.json, one behind the other: NFC, NFD, NFKC, NFKD, Lowercase, StripAccents, Strip, Nmt,
/// Prepend, Replace, ByteLevel, BertNormalizer, Precompiled. What each does is what the `tokenizers` package does.
#pragma once

#include "libgrpo/text/precompiled_map.hpp"
#include "libgrpo/text/split_pattern.hpp"
#include "libgrpo/text/unicode_forms.hpp"

#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace grpo {

/// Immutable once filled. thread: apply() may be called from many threads at once.
class Normalizer {
 public:
  void add_form(NormalForm form) { add(Kind::form).form = form; }
  void add_lowercase() { add(Kind::lowercase); }
  void add_strip_accents() { add(Kind::strip_accents); }
  void add_strip(bool left, bool right);
  void add_nmt() { add(Kind::nmt); }
  void add_prepend(std::string text) { add(Kind::prepend).text = std::move(text); }
  void add_replace(SplitPattern pattern, std::string by);
  /// Plain text by plain text; `from` is not empty.
  void add_replace(std::string from, std::string by);
  void add_byte_level() { add(Kind::byte_level); }
  void add_clean_text() { add(Kind::clean_text); }            ///< of BertNormalizer
  void add_space_chinese() { add(Kind::space_chinese); }      ///< of BertNormalizer
  void add_drop_nonspacing() { add(Kind::drop_nonspacing); }  ///< of BertNormalizer, behind NFD
  void add_precompiled(PrecompiledMap map);

  [[nodiscard]] bool empty() const noexcept { return steps_.empty(); }
  [[nodiscard]] std::size_t size() const noexcept { return steps_.size(); }
  /// throws: Error{data} if the result would exceed 64 MiB and 64 times the text
  [[nodiscard]] std::string apply(std::string_view text) const;

 private:
  enum class Kind {
    form,
    lowercase,
    strip_accents,
    strip,
    nmt,
    prepend,
    replace,
    replace_text,
    byte_level,
    clean_text,
    space_chinese,
    drop_nonspacing,
    precompiled
  };
  struct Step {
    Kind kind;
    NormalForm form = NormalForm::nfc;
    bool left = false;
    bool right = false;
    std::vector<SplitPattern> pattern;  // one for replace, else none
    std::string from, text;
    std::shared_ptr<const PrecompiledMap> map;
  };
  Step& add(Kind kind) { return steps_.emplace_back(Step{kind, {}, {}, {}, {}, {}, {}, {}}); }
  static std::string apply(const Step& step, std::string text, std::size_t limit);

  std::vector<Step> steps_;
};

}  // namespace grpo
