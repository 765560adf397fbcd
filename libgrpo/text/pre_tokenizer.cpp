#include "libgrpo/text/pre_tokenizer.hpp"

#include "libgrpo/base/utf8.hpp"
#include "libgrpo/text/byte_level.hpp"
#include "libgrpo/text/unicode_text_tables.hpp"

namespace grpo {
namespace {

/// Runs of word characters and runs of others; white space between them is left out.
void cut_words(std::string_view text, std::vector<std::string_view>& out) {
  enum class Run { space, word, sign };
  Run last = Run::space;
  std::size_t begin = 0;
  for (std::size_t at = 0; at < text.size();) {
    const Utf8Step step = utf8_step(text, at);
    const Run run = unicode::kWord.has(step.code_point) ? Run::word : is_unicode_space(step.code_point) ? Run::space : Run::sign;
    if (run != last) {
      if (last != Run::space) out.push_back(text.substr(begin, at - begin));
      begin = at;
      last = run;
    }
    at += step.length;
  }
  if (last != Run::space) out.push_back(text.substr(begin));
}

std::string spell_blanks(std::string_view text, const std::string& replacement) {
  std::string out;
  out.reserve(text.size() + text.size() / 2 + replacement.size());
  for (const char c : text) {
    if (c == ' ') {
      out += replacement;
    } else {
      out += c;
    }
  }
  return out;
}

}  // namespace

PreTokenizer::Step& PreTokenizer::add(Kind kind) {
  Step step{};
  step.kind = kind;
  steps_.push_back(std::move(step));
  return steps_.back();
}

void PreTokenizer::add_pattern(SplitPattern pattern, SplitBehavior behavior, bool invert) {
  Step& step = add(Kind::pattern);
  step.pattern.push_back(std::move(pattern));
  step.behavior = behavior;
  step.invert = invert;
}

void PreTokenizer::add_class(Class members, SplitBehavior behavior, char32_t delimiter) {
  Step& step = add(Kind::members);
  step.members = members;
  step.behavior = behavior;
  step.delimiter = delimiter;
}

void PreTokenizer::add_metaspace(std::string replacement, Prepend prepend, bool split) {
  Step& step = add(Kind::metaspace);
  step.delimiter = utf8_step(replacement, 0).code_point;
  step.replacement = std::move(replacement);
  step.prepend = prepend;
  if (!split) return;
  add_class(Class::delimiter, SplitBehavior::merged_with_next, steps_.back().delimiter);
}

void PreTokenizer::find_members(const Step& step, std::string_view text, std::vector<SplitPattern::Match>& out) {
  const auto is_member = [&](char32_t c) {
    switch (step.members) {
      case Class::whitespace: return is_unicode_space(c);
      case Class::digit: return unicode::kDigit.has(c);
      case Class::punctuation: return unicode::kPunctuation.has(c);
      case Class::delimiter: break;
    }
    return c == step.delimiter;
  };
  out.clear();
  for (std::size_t at = 0; at < text.size();) {
    const Utf8Step character = utf8_step(text, at);
    if (is_member(character.code_point)) out.push_back({at, at + character.length});
    at += character.length;
  }
}

void PreTokenizer::apply(const Step& step, const Piece& piece, Output& output) {
  switch (step.kind) {
    case Kind::pattern: step.pattern.front().split(piece.text, step.behavior, step.invert, output.cut); return;
    case Kind::members:
      find_members(step, piece.text, output.matches);
      cut_at(piece.text, output.matches, step.behavior, false, output.cut);
      return;
    case Kind::words: cut_words(piece.text, output.cut); return;
    case Kind::prefix_space:
      output.cut.push_back(piece.text.starts_with(' ') ? piece.text : output.owned.emplace_back(" ").append(piece.text));
      return;
    case Kind::byte_level: output.cut.push_back(output.owned.emplace_back(byte_level_encode(piece.text))); return;
    case Kind::metaspace: {
      std::string& spelled = output.owned.emplace_back(spell_blanks(piece.text, step.replacement));
      const bool prepends = step.prepend == Prepend::always || (step.prepend == Prepend::first && piece.first);
      if (prepends && !spelled.starts_with(step.replacement)) spelled.insert(0, step.replacement);
      output.cut.push_back(spelled);
      return;
    }
  }
}

void PreTokenizer::cut(std::string_view text, bool first, Output& output) const {
  output.owned.clear();
  output.pieces.assign(1, {text, first});
  for (const Step& step : steps_) {
    output.before.swap(output.pieces);
    output.pieces.clear();
    for (const Piece& piece : output.before) {
      output.cut.clear();
      apply(step, piece, output);
      const bool anew = step.kind == Kind::metaspace || step.kind == Kind::prefix_space || step.kind == Kind::byte_level;
      for (const std::string_view part : output.cut)
        output.pieces.push_back({part, piece.first && (anew || part.data() == piece.text.data())});
    }
  }
}

}  // namespace grpo
