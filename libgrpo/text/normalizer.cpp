#include "libgrpo/text/normalizer.hpp"

#include "libgrpo/base/error.hpp"
#include "libgrpo/base/utf8.hpp"
#include "libgrpo/text/byte_level.hpp"
#include "libgrpo/text/unicode_text_tables.hpp"

#include <fmt/format.h>
#include <algorithm>

namespace grpo {
namespace {

// A file must not turn a short text into one that fills the memory; NFKD makes 11 times as many bytes at most.
constexpr std::size_t kMaxGrowth = 64;
constexpr std::size_t kAlwaysAllowed = std::size_t{1} << 26;
constexpr std::size_t kMaxBytes = std::size_t{1} << 31;

bool is_ascii(std::string_view text) {
  return std::none_of(text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) >= 0x80; });
}

/// Each character through `write(out, character, bytes)`.
template <class Write>
std::string each_character(std::string_view text, Write&& write) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t at = 0; at < text.size();) {
    const Utf8Step step = utf8_step(text, at);
    write(out, step.code_point, text.substr(at, step.length));
    at += step.length;
  }
  return out;
}

std::string without(std::string_view text, const unicode::CodeSet& dropped) {
  return each_character(text, [&](std::string& out, char32_t c, std::string_view bytes) {
    if (!dropped.has(c)) out += bytes;
  });
}

std::string lowercase(std::string text) {
  if (is_ascii(text)) {
    for (char& c : text) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c;
    return text;
  }
  return each_character(text, [](std::string& out, char32_t c, std::string_view bytes) {
    const unicode::CodeMapping* row = unicode::kLower.find(c);
    if (row == nullptr) {
      out += bytes;
      return;
    }
    for (const std::uint32_t lower : unicode::kLower.pool.subspan(row->begin, row->length)) append_utf8(out, lower);
  });
}

std::string strip(std::string_view text, bool left, bool right) {
  std::size_t begin = 0;
  std::size_t end = text.size();
  while (left && begin < end) {
    const Utf8Step step = utf8_step(text, begin);
    if (!is_unicode_space(step.code_point)) break;
    begin += step.length;
  }
  while (right && begin < end) {
    std::size_t last = end - 1;
    while ((static_cast<unsigned char>(text[last]) & 0xC0) == 0x80) --last;
    if (!is_unicode_space(utf8_step(text, last).code_point)) break;
    end = last;
  }
  return std::string(text.substr(begin, end - begin));
}

/// SentencePiece's rules for machine translation: control characters go, unusual spaces become blanks.
std::string nmt(std::string_view text) {
  return each_character(text, [](std::string& out, char32_t c, std::string_view bytes) {
    const bool control = (c >= 0x01 && c <= 0x08) || c == 0x0B || (c >= 0x0E && c <= 0x1F) || c == 0x7F || c == 0x8F || c == 0x9F;
    const bool blank = c == 0x09 || c == 0x0A || c == 0x0C || c == 0x0D || c == 0x1680 || (c >= 0x200B && c <= 0x200F) || c == 0x2028 ||
                       c == 0x2029 || c == 0x2581 || c == 0xFEFF || c == 0xFFFD;
    if (blank) {
      out += ' ';
    } else if (!control) {
      out += bytes;
    }
  });
}

std::string clean_text(std::string_view text) {
  return each_character(text, [](std::string& out, char32_t c, std::string_view bytes) {
    if (unicode::kCleanSpace.has(c)) {
      out += ' ';
    } else if (!unicode::kUnclean.has(c)) {
      out += bytes;
    }
  });
}

std::string space_chinese(std::string_view text) {
  return each_character(text, [](std::string& out, char32_t c, std::string_view bytes) {
    const bool chinese = unicode::kChinese.has(c);
    if (chinese) out += ' ';
    out += bytes;
    if (chinese) out += ' ';
  });
}

void check_size(std::size_t size, std::size_t limit) {
  if (size > limit) throw Error(ErrorKind::data, fmt::format("normalizer: the text would grow to more than {} bytes", limit));
}

std::string replace(const std::string& text, const SplitPattern& pattern, const std::string& by, std::size_t limit) {
  std::vector<SplitPattern::Match> matches;
  pattern.find(text, matches);
  check_size(text.size() + matches.size() * by.size(), limit);
  std::string out;
  std::size_t at = 0;
  for (const auto& match : matches) {
    out.append(text, at, match.begin - at).append(by);
    at = match.end;
  }
  return out.append(text, at, std::string::npos);
}

std::string replace(const std::string& text, const std::string& from, const std::string& by, std::size_t limit) {
  std::string out;
  out.reserve(text.size() + text.size() / 4);
  std::size_t at = 0;
  for (std::size_t found = text.find(from); found != std::string::npos; found = text.find(from, at)) {
    out.append(text, at, found - at).append(by);
    check_size(out.size(), limit);
    at = found + from.size();
  }
  return out.append(text, at, std::string::npos);
}

}  // namespace

void Normalizer::add_strip(bool left, bool right) {
  Step& step = add(Kind::strip);
  step.left = left;
  step.right = right;
}

void Normalizer::add_replace(SplitPattern pattern, std::string by) {
  Step& step = add(Kind::replace);
  step.pattern.push_back(std::move(pattern));
  step.text = std::move(by);
}

void Normalizer::add_replace(std::string from, std::string by) {
  Step& step = add(Kind::replace_text);
  step.from = std::move(from);
  step.text = std::move(by);
}

void Normalizer::add_precompiled(PrecompiledMap map) {
  add(Kind::precompiled).map = std::make_shared<const PrecompiledMap>(std::move(map));
}

std::string Normalizer::apply(const Step& step, std::string text, std::size_t limit) {
  switch (step.kind) {
    case Kind::form: return to_normal_form(text, step.form);
    case Kind::lowercase: return lowercase(std::move(text));
    case Kind::strip_accents: return is_ascii(text) ? std::move(text) : without(text, unicode::kAccent);
    case Kind::drop_nonspacing: return is_ascii(text) ? std::move(text) : without(text, unicode::kNonspacingMark);
    case Kind::strip: return strip(text, step.left, step.right);
    case Kind::nmt: return nmt(text);
    case Kind::prepend: return text.empty() ? std::move(text) : step.text + text;
    case Kind::replace: return replace(text, step.pattern.front(), step.text, limit);
    case Kind::replace_text: return replace(text, step.from, step.text, limit);
    case Kind::byte_level: return byte_level_encode(text);
    case Kind::clean_text: return clean_text(text);
    case Kind::space_chinese: return is_ascii(text) ? std::move(text) : space_chinese(text);
    case Kind::precompiled: return step.map->apply(text);
  }
  return text;
}

std::string Normalizer::apply(std::string_view text) const {
  const std::size_t limit = std::min(kMaxBytes, std::max(kAlwaysAllowed, kMaxGrowth * text.size()));
  std::string out(text);
  for (const Step& step : steps_) {
    out = apply(step, std::move(out), limit);
    check_size(out.size(), limit);
  }
  return out;
}

}  // namespace grpo
