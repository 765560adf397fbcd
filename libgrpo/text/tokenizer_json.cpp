#include "libgrpo/text/tokenizer_json.hpp"

#include "libgrpo/text/tokenizer_fields.inl"
#include "libgrpo/text/tokenizer_models.hpp"
#include "libgrpo/text/tokenizer_pipeline.hpp"

#include <algorithm>

namespace grpo {
namespace {

using namespace fields;

constexpr std::size_t kMaxNesting = 128;

[[noreturn]] void fail(const std::string& why) { throw Error(ErrorKind::data, why); }

/// Before anything walks the tree: a file of a million brackets must not exhaust the stack.
void check_nesting(std::string_view text) {
  std::size_t depth = 0;
  bool quoted = false;
  for (std::size_t at = 0; at < text.size(); ++at) {
    const char c = text[at];
    if (quoted) {
      if (c == '\\') ++at;
      quoted = c != '"';
    } else if (c == '"') {
      quoted = true;
    } else if (c == '[' || c == '{') {
      if (++depth > kMaxNesting) fail(fmt::format("nested deeper than {} (byte {})", kMaxNesting, at));
    } else if ((c == ']' || c == '}') && depth > 0) {
      --depth;
    }
  }
}

std::vector<AddedToken> read_added(const json& root, std::size_t vocabulary) {
  std::vector<AddedToken> added;
  if (!is_set(root, "added_tokens")) return added;
  if (!root["added_tokens"].is_array()) fail("'added_tokens' is not a list");
  const std::int64_t bound = id_bound(vocabulary + root["added_tokens"].size());
  for (const json& entry : root["added_tokens"]) {
    const std::string section = fmt::format("added token {}", added.size());
    if (!entry.is_object() || !is_set(entry, "content") || !entry["content"].is_string() || !is_set(entry, "id"))
      fail(section + " has no 'id' and 'content'");
    AddedToken token;
    token.content = entry["content"].get<std::string>();
    token.id = read_id({entry["id"]}, token.content, bound);
    token.special = flag(entry, "special", false, section);
    token.single_word = flag(entry, "single_word", false, section);
    token.lstrip = flag(entry, "lstrip", false, section);
    token.rstrip = flag(entry, "rstrip", false, section);
    token.normalized = flag(entry, "normalized", !token.special, section);
    added.push_back(std::move(token));
  }
  return added;
}

}  // namespace

std::unique_ptr<Tokenizer> tokenizer_from_json(std::string_view text, const std::string& source, TextTokenizer::Files files) {
  try {
    check_nesting(text);
    const json root = json::parse(text);
    if (!root.is_object()) fail("not a JSON object");
    if (!is_set(root, "model") || !root["model"].is_object()) fail("'model' is missing or not an object");
    const json& model = root["model"];
    TokenizerSpec spec;
    const bool raw_bytes = read_text_pipeline({root}, takes_raw_bytes({model}), spec);
    read_model({model}, raw_bytes, spec);
    spec.added = read_added(root, spec.vocabulary->tokens().size());
    return std::make_unique<TextTokenizer>(std::move(spec), [files = std::move(files)](const TextTokenizer&) { return files; });
  } catch (const Error& error) {
    throw Error(error.kind(), fmt::format("{}: {}", source, error.what()));
  } catch (const json::exception& error) {
    throw Error(ErrorKind::data, fmt::format("{}: {}", source, error.what()));
  }
}

}  // namespace grpo
