#include "libgrpo/base/error.hpp"
#include "libgrpo/base/files.hpp"
#include "libgrpo/base/utf8.hpp"
#include "libgrpo/metrics/completions_parquet.hpp"

#include <arrow/array/builder_binary.h>
#include <arrow/array/builder_primitive.h>
#include <arrow/io/memory.h>
#include <arrow/table.h>
#include <arrow/type.h>
#include <parquet/arrow/writer.h>

#include <algorithm>
#include <memory>
#include <string>
#include <utility>

namespace grpo {
namespace {

void must(const arrow::Status& status) {
  if (!status.ok()) throw Error(ErrorKind::backend, "completions: " + status.ToString());
}

/// One column: `value` of every completion, in order. Value: of Builder's kind, or an optional of it.
template <class Builder, class F>
void add(arrow::FieldVector& fields, arrow::ArrayVector& arrays, const std::string& name, const std::vector<AuditGroup>& groups,
         F&& value) {
  Builder builder;
  for (const AuditGroup& group : groups)
    for (const AuditCompletion& completion : group.completions) {
      const auto entry = value(group, completion);
      if constexpr (requires { entry.has_value(); })
        must(entry ? builder.Append(*entry) : builder.AppendNull());
      else
        must(builder.Append(entry));
    }
  std::shared_ptr<arrow::Array> array;
  must(builder.Finish(&array));
  fields.push_back(arrow::field(name, array->type()));
  arrays.push_back(std::move(array));
}

}  // namespace

bool write_completions_parquet(const std::filesystem::path& path, const std::vector<AuditColumn>& columns,
                               const std::vector<AuditGroup>& groups) {
  using Group = AuditGroup;
  using Row = AuditCompletion;
  arrow::FieldVector fields;
  arrow::ArrayVector arrays;
  add<arrow::Int64Builder>(fields, arrays, "step", groups, [](const Group& g, const Row&) { return g.step; });
  add<arrow::StringBuilder>(fields, arrays, "prompt", groups, [](const Group& g, const Row&) { return replace_invalid_utf8(g.prompt); });
  add<arrow::StringBuilder>(fields, arrays, "completion", groups, [](const Group&, const Row& c) { return replace_invalid_utf8(c.text); });
  for (std::size_t i = 0; i < columns.size(); ++i)
    add<arrow::DoubleBuilder>(fields, arrays, columns[i].name, groups, [i](const Group&, const Row& c) { return c.rewards[i].value; });
  add<arrow::DoubleBuilder>(fields, arrays, "advantage", groups, [](const Group&, const Row& c) { return c.advantage; });
  add<arrow::StringBuilder>(fields, arrays, "solution", groups,
                            [](const Group& g, const Row&) { return replace_invalid_utf8(g.solution); });
  add<arrow::DoubleBuilder>(fields, arrays, "reward", groups, [](const Group&, const Row& c) { return c.total; });
  add<arrow::Int64Builder>(fields, arrays, "tokens", groups,
                           [](const Group&, const Row& c) { return static_cast<std::int64_t>(c.tokens); });
  add<arrow::BooleanBuilder>(fields, arrays, "truncated", groups, [](const Group&, const Row& c) { return c.truncated; });
  const auto table = arrow::Table::Make(arrow::schema(fields), arrays);
  auto stream = arrow::io::BufferOutputStream::Create();
  must(stream.status());
  must(parquet::arrow::WriteTable(*table, arrow::default_memory_pool(), *stream, std::max<std::int64_t>(table->num_rows(), 1)));
  auto buffer = (*stream)->Finish();
  must(buffer.status());
  const std::filesystem::path fresh = path.string() + ".partial";
  write_file(fresh, (*buffer)->ToString());
  rename_durably(fresh, path);
  return true;
}

}  // namespace grpo
