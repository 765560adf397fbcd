#include "libgrpo/text/tokenizer_pipeline.hpp"

#include "libgrpo/base/utf8.hpp"
#include "libgrpo/text/tokenizer_fields.inl"

namespace grpo {
namespace {

using namespace fields;

void read_bert(const json& node, Normalizer& normalizer) {
  constexpr std::string_view kSection = "normalizer";
  const bool lowercase = flag(node, "lowercase", true, kSection);
  if (flag(node, "clean_text", true, kSection)) normalizer.add_clean_text();
  if (flag(node, "handle_chinese_chars", true, kSection)) normalizer.add_space_chinese();
  if (flag(node, "strip_accents", lowercase, kSection)) {
    normalizer.add_form(NormalForm::nfd);
    normalizer.add_drop_nonspacing();
  }
  if (lowercase) normalizer.add_lowercase();
}

void read_normalizer(const json& node, int depth, Normalizer& normalizer) {
  constexpr std::string_view kSection = "normalizer";
  check_node(node, depth, kSection);
  const std::string& type = text(node, "type", kSection);
  if (type == "Sequence") {
    for (const json& part : list(node, "normalizers", kSection)) read_normalizer(part, depth + 1, normalizer);
  } else if (type == "NFC") {
    normalizer.add_form(NormalForm::nfc);
  } else if (type == "NFD") {
    normalizer.add_form(NormalForm::nfd);
  } else if (type == "NFKC") {
    normalizer.add_form(NormalForm::nfkc);
  } else if (type == "NFKD") {
    normalizer.add_form(NormalForm::nfkd);
  } else if (type == "Lowercase") {
    normalizer.add_lowercase();
  } else if (type == "StripAccents") {
    normalizer.add_strip_accents();
  } else if (type == "Strip") {
    normalizer.add_strip(flag(node, "strip_left", true, kSection), flag(node, "strip_right", true, kSection));
  } else if (type == "Nmt") {
    normalizer.add_nmt();
  } else if (type == "Prepend") {
    normalizer.add_prepend(text(node, "prepend", kSection));
  } else if (type == "Replace") {
    const std::string* plain = plain_pattern(node, kSection);
    if (plain != nullptr && !plain->empty()) {
      normalizer.add_replace(*plain, text(node, "content", kSection));
    } else {
      normalizer.add_replace(read_pattern(node, kSection), text(node, "content", kSection));
    }
  } else if (type == "ByteLevel") {
    normalizer.add_byte_level();
  } else if (type == "BertNormalizer") {
    read_bert(node, normalizer);
  } else if (type == "Precompiled") {
    normalizer.add_precompiled(PrecompiledMap(decode_base64(text(node, "precompiled_charsmap", kSection))));
  } else {
    refuse(kSection, fmt::format("'{}' is not supported; known: BertNormalizer, ByteLevel, Lowercase, NFC, NFD, NFKC, "
                                 "NFKD, Nmt, Precompiled, Prepend, Replace, Strip, StripAccents, Sequence",
                                 type));
  }
  if (normalizer.size() > kMaxSteps) refuse(kSection, fmt::format("more than {} steps", kMaxSteps));
}

SplitBehavior read_behavior(const std::string& name, std::string_view section) {
  if (name == "Removed") return SplitBehavior::removed;
  if (name == "Isolated") return SplitBehavior::isolated;
  if (name == "MergedWithPrevious") return SplitBehavior::merged_with_previous;
  if (name == "MergedWithNext") return SplitBehavior::merged_with_next;
  if (name == "Contiguous") return SplitBehavior::contiguous;
  refuse(section, fmt::format("unknown behavior '{}'", name));
}

/// Files of old versions say add_prefix_space instead; both must agree.
PreTokenizer::Prepend read_prepend(const json& node, std::string_view section) {
  const std::string scheme = is_set(node, "prepend_scheme") ? text(node, "prepend_scheme", section) : "always";
  if (!flag(node, "add_prefix_space", true, section) && scheme != "never") {
    refuse(section, fmt::format("Metaspace: add_prefix_space is false, but prepend_scheme is '{}'", scheme));
  }
  if (scheme == "always") return PreTokenizer::Prepend::always;
  if (scheme == "first") return PreTokenizer::Prepend::first;
  if (scheme == "never") return PreTokenizer::Prepend::never;
  refuse(section, fmt::format("Metaspace: unknown prepend_scheme '{}'; known: always, first, never", scheme));
}

class PreTokenizerReader {
 public:
  PreTokenizerReader(TokenizerSpec& spec, bool raw_bytes) : spec_(spec), out_(spec.pre_tokenizer), raw_bytes_(raw_bytes) {}

  void read(const json& node, int depth, bool last) {
    check_node(node, depth, kSection);
    const std::string& type = text(node, "type", kSection);
    if (type == "Sequence") {
      const json& parts = list(node, "pretokenizers", kSection);
      for (std::size_t i = 0; i < parts.size(); ++i) read(parts[i], depth + 1, last && i + 1 == parts.size());
    } else if (type == "ByteLevel") {
      read_byte_level(node, last);
    } else if (type == "Metaspace") {
      read_metaspace(node);
    } else if (type == "Split") {
      out_.add_pattern(read_pattern(node, kSection), read_behavior(text(node, "behavior", kSection), kSection),
                       flag(node, "invert", false, kSection));
    } else {
      read_class(type, node);
    }
    if (out_.size() > kMaxSteps) refuse(kSection, fmt::format("more than {} steps", kMaxSteps));
  }
  [[nodiscard]] bool raw() const noexcept { return raw_; }

 private:
  static constexpr std::string_view kSection = "pre_tokenizer";

  void read_byte_level(const json& node, bool last) {
    if (flag(node, "add_prefix_space", true, kSection)) out_.add_prefix_space();
    if (flag(node, "use_regex", true, kSection)) out_.add_pattern(SplitPattern(std::string(kGpt2Pattern)), SplitBehavior::isolated, false);
    raw_ = raw_bytes_ && last;
    if (!raw_) out_.add_byte_level();
  }

  void read_metaspace(const json& node) {
    const PreTokenizer::Prepend prepend = read_prepend(node, kSection);
    // Where the first piece begins in the original text is not followed through both kinds of changes.
    if (prepend == PreTokenizer::Prepend::first && out_.size() > 0 && !spec_.normalizer.empty())
      refuse(kSection,
             "Metaspace with prepend_scheme 'first' behind another pre-tokenizer and a normalizer is not "
             "supported");
    out_.add_metaspace(character(node, "replacement", kSection), prepend, flag(node, "split", true, kSection));
  }

  void read_class(const std::string& type, const json& node) {
    using Class = PreTokenizer::Class;
    if (type == "Digits") {
      const bool individual = flag(node, "individual_digits", false, kSection);
      out_.add_class(Class::digit, individual ? SplitBehavior::isolated : SplitBehavior::contiguous);
    } else if (type == "Punctuation") {
      const std::string behavior = is_set(node, "behavior") ? text(node, "behavior", kSection) : "Isolated";
      out_.add_class(Class::punctuation, read_behavior(behavior, kSection));
    } else if (type == "Whitespace") {
      out_.add_words();
    } else if (type == "WhitespaceSplit") {
      out_.add_class(Class::whitespace, SplitBehavior::removed);
    } else if (type == "BertPreTokenizer") {
      out_.add_class(Class::whitespace, SplitBehavior::removed);
      out_.add_class(Class::punctuation, SplitBehavior::isolated);
    } else if (type == "CharDelimiterSplit") {
      out_.add_class(Class::delimiter, SplitBehavior::removed, utf8_step(character(node, "delimiter", kSection), 0).code_point);
    } else {
      refuse(kSection, fmt::format("'{}' is not supported; known: BertPreTokenizer, ByteLevel, CharDelimiterSplit, "
                                   "Digits, Metaspace, Punctuation, Split, Whitespace, WhitespaceSplit, Sequence",
                                   type));
    }
  }

  TokenizerSpec& spec_;
  PreTokenizer& out_;
  bool raw_bytes_;
  bool raw_ = false;
};

void read_decoder(const json& node, int depth, TextDecoder& decoder) {
  constexpr std::string_view kSection = "decoder";
  check_node(node, depth, kSection);
  const std::string& type = text(node, "type", kSection);
  if (type == "Sequence") {
    for (const json& part : list(node, "decoders", kSection)) read_decoder(part, depth + 1, decoder);
  } else if (type == "ByteLevel") {
    decoder.add_byte_level();
  } else if (type == "ByteFallback") {
    decoder.add_byte_fallback();
  } else if (type == "Fuse") {
    decoder.add_fuse();
  } else if (type == "Strip") {
    decoder.add_strip(character(node, "content", kSection), count(node, "start", kSection), count(node, "stop", kSection));
  } else if (type == "Replace") {
    const std::string* plain = plain_pattern(node, kSection);
    if (plain != nullptr && plain->empty()) refuse(kSection, "Replace of an empty string is not supported");
    if (plain != nullptr) {
      decoder.add_replace(*plain, text(node, "content", kSection));
    } else {
      decoder.add_replace(read_pattern(node, kSection), text(node, "content", kSection));
    }
  } else if (type == "Metaspace") {
    decoder.add_metaspace(character(node, "replacement", kSection), read_prepend(node, kSection) != PreTokenizer::Prepend::never);
  } else if (type == "WordPiece") {
    decoder.add_word_piece(is_set(node, "prefix") ? text(node, "prefix", kSection) : "##", flag(node, "cleanup", true, kSection));
  } else if (type == "BPEDecoder") {
    const std::string suffix = is_set(node, "suffix") ? text(node, "suffix", kSection) : "</w>";
    if (suffix.empty()) refuse(kSection, "BPEDecoder with an empty suffix is not supported");
    decoder.add_bpe(suffix);
  } else {
    refuse(kSection, fmt::format("'{}' is not supported; known: BPEDecoder, ByteFallback, ByteLevel, Fuse, Metaspace, "
                                 "Replace, Strip, WordPiece, Sequence",
                                 type));
  }
  if (decoder.size() > kMaxSteps) refuse(kSection, fmt::format("more than {} steps", kMaxSteps));
}

void check_post_processor(const json& node, int depth) {
  constexpr std::string_view kSection = "post_processor";
  check_node(node, depth, kSection);
  const std::string& type = text(node, "type", kSection);
  if (type == "Sequence") {
    for (const json& part : list(node, "processors", kSection)) check_post_processor(part, depth + 1);
  } else if (type != "TemplateProcessing" && type != "ByteLevel" && type != "RobertaProcessing" && type != "BertProcessing") {
    refuse(kSection, fmt::format("'{}' is not supported; known: BertProcessing, ByteLevel, RobertaProcessing, "
                                 "TemplateProcessing, Sequence",
                                 type));
  }
}

}  // namespace

bool read_text_pipeline(const Node& whole, bool raw_bytes, TokenizerSpec& spec) {
  const json& root = whole.value;
  const auto section = [&](const char* key, auto&& read) {
    if (is_set(root, key)) read(root[key]);
  };
  PreTokenizerReader reader(spec, raw_bytes);
  section("normalizer", [&](const json& node) { read_normalizer(node, 0, spec.normalizer); });
  section("pre_tokenizer", [&](const json& node) { reader.read(node, 0, true); });
  section("decoder", [&](const json& node) { read_decoder(node, 0, spec.decoder); });
  section("post_processor", [&](const json& node) { check_post_processor(node, 0); });
  return reader.raw();
}

}  // namespace grpo
