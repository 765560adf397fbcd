#include "libgrpo/config/value.hpp"

#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/parser.h>

#include <algorithm>
#include <map>
#include <optional>
#include <sstream>

namespace grpo {
namespace {

std::size_t line_of(const YAML::Mark& mark) { return mark.line < 0 ? 0 : static_cast<std::size_t>(mark.line) + 1; }

// Builds a Value from the parser's events. yaml-cpp's own tree is not used: it does not bound depth or the growth of
// aliases, and its loader of several documents never ends on some malformed ones.
class Builder : public YAML::EventHandler {
 public:
  std::optional<Value> root;

  void OnDocumentStart(const YAML::Mark&) override {}
  void OnDocumentEnd() override {}

  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    open(mark, anchor, Value{});
    close();
  }

  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor, const std::string& text) override {
    Value value = Value::of_text(text);
    value.quoted = tag == "!";
    open(mark, anchor, std::move(value));
    close();
  }

  void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    const auto found = anchors_.find(anchor);
    if (found == anchors_.end()) throw SyntaxError(line_of(mark), "an alias inside its own anchor");
    spend(count(found->second), mark);
    open(mark, 0, found->second);
    close();
  }

  void OnSequenceStart(const YAML::Mark& mark, const std::string&, YAML::anchor_t anchor, YAML::EmitterStyle::value) override {
    Value list;
    list.kind = Value::Kind::list;
    open(mark, anchor, std::move(list));
  }

  void OnMapStart(const YAML::Mark& mark, const std::string&, YAML::anchor_t anchor, YAML::EmitterStyle::value) override {
    Value table;
    table.kind = Value::Kind::table;
    open(mark, anchor, std::move(table));
  }

  void OnSequenceEnd() override { close(); }
  void OnMapEnd() override { close(); }

 private:
  struct Node {
    Value value;
    YAML::anchor_t anchor = 0;
    std::optional<Value> key;  // of a map: read, its value still to come
  };

  static std::size_t count(const Value& value) {
    std::size_t total = 1;
    for (const Value& item : value.items) total += count(item);
    for (const auto& [key, item] : value.keys) total += count(item);
    return total;
  }

  void spend(std::size_t values, const YAML::Mark& mark) {
    if (values > budget_) throw SyntaxError(line_of(mark), "too many values");
    budget_ -= values;
  }

  void open(const YAML::Mark& mark, YAML::anchor_t anchor, Value value) {
    spend(1, mark);
    if (open_.size() > kMaxRecipeDepth) throw SyntaxError(line_of(mark), "values are nested too deeply");
    value.line = line_of(mark);
    open_.push_back({std::move(value), anchor, std::nullopt});
  }

  void close() {
    Node done = std::move(open_.back());
    open_.pop_back();
    if (done.anchor != 0) anchors_[done.anchor] = done.value;
    if (open_.empty()) {
      root = std::move(done.value);
      return;
    }
    Node& parent = open_.back();
    if (parent.value.kind == Value::Kind::list) {
      parent.value.items.push_back(std::move(done.value));
    } else if (!parent.key) {
      if (done.value.kind != Value::Kind::text) throw SyntaxError(done.value.line, "a key must be a plain word");
      parent.key = std::move(done.value);
    } else {
      done.value.line = parent.key->line;
      parent.value.keys.emplace_back(std::move(parent.key->string), std::move(done.value));
      parent.key.reset();
    }
  }

  std::vector<Node> open_;
  std::map<YAML::anchor_t, Value> anchors_;
  std::size_t budget_ = kMaxRecipeValues;
};

// The one document of the text; nullopt if the text is empty.
std::optional<Value> read_document(const std::string& text) {
  Builder builder;
  std::istringstream stream(text);
  try {
    YAML::Parser parser(stream);
    if (!parser.HandleNextDocument(builder)) return std::nullopt;
    Builder rest;
    if (parser.HandleNextDocument(rest)) {
      throw SyntaxError(rest.root ? rest.root->line : 0, "text after the end of the YAML document; a recipe is one document");
    }
  } catch (const YAML::Exception& error) {
    throw SyntaxError(line_of(error.mark), error.msg);
  }
  return std::move(builder.root);
}

}  // namespace

std::vector<Entry> read_yaml(const std::string& text, const std::vector<std::string>& sections) {
  std::vector<Entry> entries;
  std::optional<Value> document = read_document(text);
  if (!document || document->kind == Value::Kind::null) return entries;
  if (document->kind != Value::Kind::table) throw SyntaxError(document->line, "expected lines of the form name: value");
  for (auto& [name, value] : document->keys) {
    const bool groups = value.kind == Value::Kind::table && std::find(sections.begin(), sections.end(), name) != sections.end();
    if (!groups) {
      entries.push_back({name, std::move(value), ""});
      continue;
    }
    for (auto& [inner, item] : value.keys) entries.push_back({inner, std::move(item), name});
  }
  return entries;
}

}  // namespace grpo
