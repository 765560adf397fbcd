#include "libgrpo/text/token_decoder.hpp"

#include "libgrpo/base/utf8.hpp"
#include "libgrpo/text/byte_level.hpp"

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

namespace grpo {
namespace {

constexpr std::string_view kReplacement = "\xEF\xBF\xBD";

void replace_all(std::string& text, std::string_view from, std::string_view by) {
  std::size_t found = text.find(from);
  if (found == std::string::npos) return;
  std::string out;
  std::size_t at = 0;
  for (; found != std::string::npos; found = text.find(from, at)) {
    out.append(text, at, found - at).append(by);
    at = found + from.size();
  }
  text = out.append(text, at, std::string::npos);
}

void replace_matches(std::string& text, const SplitPattern& pattern, std::string_view by) {
  std::vector<SplitPattern::Match> matches;
  pattern.find(text, matches);
  std::string out;
  std::size_t at = 0;
  for (const auto& match : matches) {
    out.append(text, at, match.begin - at).append(by);
    at = match.end;
  }
  text = out.append(text, at, std::string::npos);
}

/// "<0x0A>" as the package reads it: any two characters that its number parser takes, a plus sign among them.
std::optional<char> byte_of(std::string_view token) {
  if (token.size() != 6 || !token.starts_with("<0x") || token.back() != '>') return std::nullopt;
  const auto digit = [](char c) {
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
  };
  const int high = token[3] == '+' ? 0 : digit(token[3]);
  const int low = digit(token[4]);
  if (high < 0 || low < 0) return std::nullopt;
  return static_cast<char>(static_cast<unsigned char>(high * 16 + low));
}

/// A run of byte tokens is its text, or one U+FFFD per byte if it is none.
void join_bytes(std::vector<std::string>& tokens) {
  std::vector<std::string> out;
  std::string run;
  const auto flush = [&] {
    if (run.empty()) return;
    if (is_utf8(run)) {
      out.push_back(run);
    } else {
      out.insert(out.end(), run.size(), std::string(kReplacement));
    }
    run.clear();
  };
  for (std::string& token : tokens) {
    if (const auto byte = byte_of(token)) {
      run += *byte;
    } else {
      flush();
      out.push_back(std::move(token));
    }
  }
  flush();
  tokens.swap(out);
}

void fuse(std::vector<std::string>& tokens) {
  std::string all;
  for (const std::string& token : tokens) all += token;
  tokens.assign(1, std::move(all));
}

void strip(std::string& token, std::string_view content, std::size_t start, std::size_t stop) {
  std::string_view rest = token;
  for (std::size_t i = 0; i < start && rest.starts_with(content); ++i) rest.remove_prefix(content.size());
  for (std::size_t i = 0; i < stop && rest.ends_with(content); ++i) rest.remove_suffix(content.size());
  token = std::string(rest);
}

/// Detached English signs and endings go back to their word.
void clean_up(std::string& text) {
  constexpr std::array<std::pair<std::string_view, std::string_view>, 11> kRules = {{{" .", "."},
                                                                                     {" ?", "?"},
                                                                                     {" !", "!"},
                                                                                     {" ,", ","},
                                                                                     {" ' ", "'"},
                                                                                     {" n't", "n't"},
                                                                                     {" 'm", "'m"},
                                                                                     {" do not", " don't"},
                                                                                     {" 's", "'s"},
                                                                                     {" 've", "'ve"},
                                                                                     {" 're", "'re"}}};
  for (const auto& [from, to] : kRules) replace_all(text, from, to);
}

}  // namespace

TextDecoder::Step& TextDecoder::add(Kind kind) {
  Step step{};
  step.kind = kind;
  steps_.push_back(std::move(step));
  return steps_.back();
}

void TextDecoder::add_strip(std::string content, std::size_t start, std::size_t stop) {
  Step& step = add(Kind::strip);
  step.from = std::move(content);
  step.start = start;
  step.stop = stop;
}

void TextDecoder::add_replace(SplitPattern pattern, std::string by) {
  Step& step = add(Kind::replace);
  step.pattern.push_back(std::move(pattern));
  step.text = std::move(by);
}

void TextDecoder::add_replace(std::string from, std::string by) {
  Step& step = add(Kind::replace_text);
  step.from = std::move(from);
  step.text = std::move(by);
}

void TextDecoder::add_metaspace(std::string replacement, bool prepended) {
  Step& step = add(Kind::metaspace);
  step.from = std::move(replacement);
  step.on = prepended;
}

void TextDecoder::add_word_piece(std::string prefix, bool cleanup) {
  Step& step = add(Kind::word_piece);
  step.from = std::move(prefix);
  step.on = cleanup;
}

void TextDecoder::add_bpe(std::string suffix) { add(Kind::bpe).from = std::move(suffix); }

void TextDecoder::apply(const Step& step, std::vector<std::string>& tokens) {
  switch (step.kind) {
    case Kind::byte_level:
      for (std::string& token : tokens) token = byte_level_decode(token);
      fuse(tokens);
      if (!is_utf8(tokens.front())) tokens.front() = replace_invalid_utf8(tokens.front());
      return;
    case Kind::byte_fallback: join_bytes(tokens); return;
    case Kind::fuse: fuse(tokens); return;
    case Kind::strip:
      for (std::string& token : tokens) strip(token, step.from, step.start, step.stop);
      return;
    case Kind::replace:
      for (std::string& token : tokens) replace_matches(token, step.pattern.front(), step.text);
      return;
    case Kind::replace_text:
      for (std::string& token : tokens) replace_all(token, step.from, step.text);
      return;
    case Kind::metaspace:
      for (std::size_t i = 0; i < tokens.size(); ++i) replace_all(tokens[i], step.from, i == 0 && step.on ? "" : " ");
      return;
    case Kind::word_piece:
      for (std::size_t i = 0; i < tokens.size(); ++i) {
        if (i > 0 && !step.from.empty() && tokens[i].starts_with(step.from)) {
          tokens[i].erase(0, step.from.size());
        } else if (i > 0 && !step.from.empty()) {
          tokens[i].insert(0, " ");
        }
        if (step.on) clean_up(tokens[i]);
      }
      return;
    case Kind::bpe:
      for (std::size_t i = 0; i < tokens.size(); ++i) {
        if (!step.from.empty()) replace_all(tokens[i], step.from, i + 1 == tokens.size() ? "" : " ");
      }
      return;
  }
}

std::string TextDecoder::decode(std::vector<std::string> tokens) const {
  for (const Step& step : steps_) apply(step, tokens);
  std::string out;
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    if (i > 0 && steps_.empty()) out += ' ';
    out += tokens[i];
  }
  return out;
}

std::string TextDecoder::inner_text(const std::string& token) const {
  const bool bytes = std::any_of(steps_.begin(), steps_.end(), [](const Step& s) { return s.kind == Kind::byte_fallback; });
  if (bytes) {
    if (const auto byte = byte_of(token)) return {*byte};
  }
  if (is_byte_level()) return byte_level_decode(token);
  const std::string before = decode({"a"});  // any token would do
  const std::string both = decode({"a", token});
  return both.starts_with(before) ? both.substr(before.size()) : both;
}

TokenFlow TextDecoder::flow(std::string_view token) const {
  if (is_byte_level()) return TokenFlow::bytes;
  bool fused = false;
  bool bytes = false;
  for (const Step& step : steps_) {
    if (step.kind == Kind::byte_level || step.kind == Kind::bpe) return TokenFlow::whole;
    if (step.kind == Kind::fuse) fused = true;
    if (step.kind == Kind::byte_fallback) bytes = true;
    // Behind Fuse, a step may see across tokens unless it looks at one character, or at the beginning.
    const bool one_character = step.kind == Kind::replace_text && utf8_step(step.from, 0).length == step.from.size();
    const bool at_the_start = step.kind == Kind::strip && step.stop == 0;
    if (fused && step.kind != Kind::fuse && !one_character && !at_the_start) return TokenFlow::whole;
  }
  return bytes && byte_of(token) ? TokenFlow::byte_run : TokenFlow::text;
}

}  // namespace grpo
