#include "libgrpo/text/added_tokens.hpp"

#include "libgrpo/base/utf8.hpp"
#include "libgrpo/text/unicode_text_tables.hpp"

#include <algorithm>

namespace grpo {
namespace {

/// Start of the last character before `end`; text is valid UTF-8.
std::size_t previous_character(std::string_view text, std::size_t end) {
  std::size_t at = end - 1;
  while (at > 0 && (static_cast<unsigned char>(text[at]) & 0xC0) == 0x80) --at;
  return at;
}

std::size_t spaces_before(std::string_view text, std::size_t at) {
  while (at > 0) {
    const std::size_t previous = previous_character(text, at);
    if (!is_unicode_space(utf8_step(text, previous).code_point)) break;
    at = previous;
  }
  return at;
}

std::size_t spaces_after(std::string_view text, std::size_t at) {
  while (at < text.size()) {
    const Utf8Step step = utf8_step(text, at);
    if (!is_unicode_space(step.code_point)) break;
    at += step.length;
  }
  return at;
}

bool stands_alone(std::string_view text, std::size_t begin, std::size_t end) {
  const auto is_word = [&](std::size_t at) { return unicode::kWord.has(utf8_step(text, at).code_point); };
  return (begin == 0 || !is_word(previous_character(text, begin))) && (end == text.size() || !is_word(end));
}

}  // namespace

AddedTokenFinder::AddedTokenFinder(std::vector<AddedToken> tokens) : tokens_(std::move(tokens)) {
  roots_.fill(-1);
  std::erase_if(tokens_, [](const AddedToken& token) { return token.content.empty(); });
  const auto new_node = [&](unsigned char byte, std::int32_t sibling) {
    nodes_.push_back({byte, -1, sibling, -1});
    return static_cast<std::int32_t>(nodes_.size() - 1);
  };
  for (std::size_t i = 0; i < tokens_.size(); ++i) {
    const std::string& content = tokens_[i].content;
    std::int32_t& root = roots_[static_cast<unsigned char>(content[0])];
    if (root < 0) root = new_node(static_cast<unsigned char>(content[0]), -1);
    std::int32_t node = root;
    for (std::size_t k = 1; k < content.size(); ++k) {
      const auto byte = static_cast<unsigned char>(content[k]);
      std::int32_t next = child_of(node, byte);
      if (next < 0) {
        next = new_node(byte, nodes_[static_cast<std::size_t>(node)].child);
        nodes_[static_cast<std::size_t>(node)].child = next;
      }
      node = next;
    }
    nodes_[static_cast<std::size_t>(node)].token = static_cast<std::int32_t>(i);
  }
}

std::int32_t AddedTokenFinder::child_of(std::int32_t node, unsigned char byte) const noexcept {
  std::int32_t next = nodes_[static_cast<std::size_t>(node)].child;
  while (next >= 0 && nodes_[static_cast<std::size_t>(next)].byte != byte) next = nodes_[static_cast<std::size_t>(next)].sibling;
  return next;
}

std::int32_t AddedTokenFinder::longest_at(std::string_view text, std::size_t at) const noexcept {
  std::int32_t longest = -1;
  std::int32_t node = roots_[static_cast<unsigned char>(text[at])];
  while (node >= 0) {
    if (nodes_[static_cast<std::size_t>(node)].token >= 0) longest = nodes_[static_cast<std::size_t>(node)].token;
    if (++at == text.size()) break;
    node = child_of(node, static_cast<unsigned char>(text[at]));
  }
  return longest;
}

void AddedTokenFinder::split(std::string_view text, std::vector<Part>& out) const {
  std::size_t done = 0;  // everything before is in `out`
  for (std::size_t at = 0; !tokens_.empty() && at < text.size();) {
    const std::int32_t index = longest_at(text, at);
    if (index < 0) {
      ++at;
      continue;
    }
    const AddedToken& token = tokens_[static_cast<std::size_t>(index)];
    std::size_t begin = at;
    std::size_t end = at + token.content.size();
    at = end;  // a match is used up even if it does not count
    if (token.single_word && !stands_alone(text, begin, end)) continue;
    if (token.lstrip) begin = std::max(spaces_before(text, begin), done);
    if (token.rstrip) end = spaces_after(text, end);
    if (done < begin) out.push_back({-1, text.substr(done, begin - done)});
    out.push_back({token.id, text.substr(begin, end - begin)});
    done = end;
  }
  if (done < text.size()) out.push_back({-1, text.substr(done)});
}

}  // namespace grpo
