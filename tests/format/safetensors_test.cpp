#include "libgrpo/format/safetensors.hpp"

#include "tests/format/scratch_file.hpp"

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>
#include <random>

namespace grpo {
namespace {

using Catch::Matchers::Contains;
using test::message_of;
using test::raw;
using test::ScratchFile;

std::string with_header(const std::string& header, const std::string& data = "") {
  return raw<std::uint64_t>(header.size()) + header + data;
}

/// The message of Error{data}; empty if the file is read. Every message must name the file.
std::string refusal(const std::string& bytes) {
  const ScratchFile file{bytes, ".safetensors"};
  const auto message = message_of(ErrorKind::data, [&] { const SafetensorsFile read{file.path()}; });
  if (!message) return "";
  CHECK_THAT(*message, Contains(file.path().string()));
  return *message;
}

SafeTensor tensor_over(const std::string& name, const std::string& dtype, std::vector<std::int64_t> shape, const std::string& bytes) {
  return {name, dtype, std::move(shape), std::as_bytes(std::span{bytes})};
}

std::string bytes_of(const SafeTensor& tensor) { return {reinterpret_cast<const char*>(tensor.data.data()), tensor.data.size()}; }

TEST_CASE("what is written is read back: order, names, shapes, bytes, metadata") {
  const std::string one = "0123456789ab", two = "xy", empty, scalar = "12345678";
  const std::vector<SafeTensor> tensors{
      tensor_over("z.weight", "F32", {1, 3}, one), tensor_over("a \"quoted\"\n\xC3\xA9", "BF16", {1}, two),
      tensor_over("empty", "I64", {0, 1LL << 62, 1LL << 62}, empty), tensor_over("scalar", "F64", {}, scalar)};
  const std::map<std::string, std::string> metadata{{"format", "pt"}, {"k\t", "v\\"}};
  const ScratchFile scratch;
  write_safetensors(scratch.path(), tensors, metadata);

  SafetensorsFile opened{scratch.path()};
  const SafetensorsFile file = std::move(opened);
  REQUIRE(file.tensors().size() == tensors.size());
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    CHECK(file.tensors()[i].name == tensors[i].name);
    CHECK(file.tensors()[i].dtype == tensors[i].dtype);
    CHECK(file.tensors()[i].shape == tensors[i].shape);
    CHECK(bytes_of(file.tensors()[i]) == bytes_of(tensors[i]));
    CHECK(file.find(tensors[i].name) == &file.tensors()[i]);
  }
  CHECK(file.metadata() == metadata);
  CHECK(file.find("absent") == nullptr);

  // The layout that other readers expect: padded header, contiguous bytes, nothing behind them.
  const std::string bytes = scratch.read();
  std::uint64_t header_bytes = 0;
  std::memcpy(&header_bytes, bytes.data(), 8);
  CHECK(header_bytes % 8 == 0);
  const auto header = nlohmann::json::parse(bytes.substr(8, header_bytes));
  CHECK(header.at("__metadata__").at("format") == "pt");
  CHECK(header.at("z.weight").at("data_offsets") == nlohmann::json{0, 12});
  CHECK(bytes.substr(8 + header_bytes) == one + two + scalar);
}

TEST_CASE("a shorter rewrite leaves nothing of the longer file, and no tensors are a file too") {
  const ScratchFile scratch{std::string(100000, 'x')};
  write_safetensors(scratch.path(), {}, {});
  CHECK(scratch.read() == with_header("{}      "));
  CHECK(SafetensorsFile{scratch.path()}.tensors().empty());
}

TEST_CASE("a tensor larger than one write is whole") {
  std::string large((std::size_t{64} << 20) + 12345, '\0');
  for (std::size_t i = 0; i < large.size(); i += 4093) large[i] = static_cast<char>(i / 4093);
  const ScratchFile scratch;
  const auto count = static_cast<std::int64_t>(large.size());
  write_safetensors(scratch.path(), {tensor_over("t", "U8", {count}, large)}, {});
  const SafetensorsFile file{scratch.path()};
  CHECK(std::memcmp(file.tensors().at(0).data.data(), large.data(), large.size()) == 0);
}

TEST_CASE("writing refuses what could not be read back, before the old file is touched") {
  const ScratchFile scratch{"old"};
  const std::string four = "1234";
  const auto contract = [&](const std::vector<SafeTensor>& tensors, std::map<std::string, std::string> metadata = {}) {
    return message_of(ErrorKind::contract, [&] { write_safetensors(scratch.path(), tensors, metadata); }).value_or("");
  };
  CHECK_THAT(contract({tensor_over("t", "F32", {2}, four)}), Contains("4 bytes") && Contains("8"));
  CHECK_THAT(contract({tensor_over("t", "F3", {1}, four)}), Contains("F3"));
  CHECK_THAT(contract({tensor_over("t", "F32", {-1}, four)}), Contains("-1"));
  CHECK_THAT(contract({tensor_over("t", "F32", {1LL << 62, 4}, four)}), Contains("shape"));
  CHECK_THAT(contract({tensor_over("t", "F32", {1}, four), tensor_over("t", "F32", {1}, four)}), Contains("taken"));
  CHECK_THAT(contract({tensor_over("__metadata__", "F32", {1}, four)}), Contains("taken"));
  CHECK_THAT(contract({tensor_over("\xFF", "F32", {1}, four)}), Contains("UTF-8"));
  CHECK_THAT(contract({}, {{"k", "\xC3"}}), Contains("UTF-8"));
  CHECK(scratch.read() == "old");
}

TEST_CASE("a failed write says where and why") {
  const std::string four = "1234";
  const auto backend = [&](const std::filesystem::path& path) {
    return message_of(ErrorKind::backend, [&] { write_safetensors(path, {tensor_over("t", "F32", {1}, four)}, {}); }).value_or("");
  };
  CHECK_THAT(backend("/nowhere/at/all.safetensors"), Contains("/nowhere/at/all") && Contains("No such file"));
  CHECK_THAT(backend(std::filesystem::temp_directory_path()), Contains("Is a directory"));
  if (!std::filesystem::exists("/dev/full")) {
    WARN("skipped: no /dev/full here, so a full disk cannot be played");
    return;
  }
  CHECK_THAT(backend("/dev/full"), Contains("/dev/full") && Contains("No space left"));
}

TEST_CASE("tensors are listed by their place in the file, whatever the header's order") {
  const ScratchFile scratch{with_header(R"({"late":{"data_offsets":[4,8],"shape":[4],"dtype":"U8"},)"
                                        R"("__metadata__":{},"early":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}   )",
                                        "abcdefgh")};
  const SafetensorsFile file{scratch.path()};
  REQUIRE(file.tensors().size() == 2);
  CHECK(file.tensors()[0].name == "early");
  CHECK(bytes_of(file.tensors()[0]) == "abcd");
  CHECK(bytes_of(*file.find("late")) == "efgh");
}

TEST_CASE("a damaged frame is refused") {
  CHECK_THAT(refusal(""), Contains("too few"));
  CHECK_THAT(refusal("1234567"), Contains("too few"));
  CHECK_THAT(refusal(raw<std::uint64_t>(3) + "{}"), Contains("cut short"));
  CHECK_THAT(refusal(raw(~std::uint64_t{0}) + "{}"), Contains("18446744073709551615"));
  CHECK_THAT(refusal(raw<std::uint64_t>(100'000'001) + "{}"), Contains("100000001 bytes, more than 100000000"));
  CHECK_THAT(refusal(with_header("")), Contains("does not start with {"));
  CHECK_THAT(refusal(with_header("[]")), Contains("does not start with {"));
  CHECK_THAT(refusal(with_header("{")), Contains("not JSON"));
  CHECK_THAT(refusal(with_header("{}x")), Contains("not JSON"));
  CHECK_THAT(refusal(with_header("{\"\xFF\":1}")), Contains("not JSON"));
  CHECK_THAT(refusal(with_header("{}", "data")), Contains("belong to no tensor"));
  CHECK(refusal(with_header("{}")).empty());
}

TEST_CASE("a header of another shape is refused by entry") {
  const auto entry = [](const std::string& fields) { return refusal(with_header("{\"t\":{" + fields + "}}", "1234")); };
  const std::string dtype = R"("dtype":"F32")", shape = R"("shape":[1])", offsets = R"("data_offsets":[0,4])";
  CHECK(entry(dtype + "," + shape + "," + offsets).empty());
  CHECK_THAT(entry(shape + "," + offsets), Contains("\"t\"") && Contains("required"));
  CHECK_THAT(entry(""), Contains("required"));
  CHECK_THAT(entry(dtype + "," + dtype + "," + shape + "," + offsets), Contains("twice"));
  CHECK_THAT(entry(dtype + "," + shape + "," + offsets + ",\"x\":1"), Contains("unknown field"));
  CHECK_THAT(entry(R"("dtype":4,)" + shape + "," + offsets), Contains("dtype"));
  CHECK_THAT(entry(R"("dtype":["F32"],)" + shape + "," + offsets), Contains("list"));
  CHECK_THAT(entry(dtype + R"(,"shape":"1",)" + offsets), Contains("shape"));
  CHECK_THAT(entry(dtype + R"(,"shape":1,)" + offsets), Contains("shape"));
  CHECK_THAT(entry(dtype + R"(,"shape":[-1],)" + offsets), Contains("-1"));
  CHECK_THAT(entry(dtype + R"(,"shape":[1.0],)" + offsets), Contains("1.0"));
  CHECK_THAT(entry(dtype + R"(,"shape":[9223372036854775808],)" + offsets), Contains("9223372036854775808"));
  CHECK_THAT(entry(dtype + R"(,"shape":[[1]],)" + offsets), Contains("list"));
  CHECK_THAT(entry(dtype + R"(,"shape":[{}],)" + offsets), Contains("object"));
  CHECK_THAT(entry(dtype + R"(,"shape":[null],)" + offsets), Contains("null"));
  CHECK_THAT(entry(dtype + R"(,"shape":[true],)" + offsets), Contains("boolean"));
  CHECK_THAT(entry(dtype + "," + shape + R"(,"data_offsets":[0])"), Contains("two numbers"));
  CHECK_THAT(entry(dtype + "," + shape + R"(,"data_offsets":[0,4,8])"), Contains("two"));
  CHECK_THAT(refusal(with_header(R"({"t":5})")), Contains("\"t\""));
  CHECK_THAT(refusal(with_header(R"({"t":"text"})")), Contains("\"t\""));
  CHECK_THAT(refusal(with_header(R"({"t":[]})")), Contains("\"t\""));
  CHECK_THAT(refusal(with_header(R"({"__metadata__":{"a":1}})")), Contains("__metadata__"));
  CHECK_THAT(refusal(with_header(R"({"__metadata__":{"a":{}}})")), Contains("__metadata__"));
  CHECK_THAT(refusal(with_header(R"({"__metadata__":{"a":"1","a":"2"}})")), Contains("twice"));
  CHECK_THAT(refusal(with_header(R"({"__metadata__":{},"__metadata__":{}})")), Contains("twice"));
}

TEST_CASE("offsets must match shapes, lie in the file, and cover it once") {
  const auto t = [](const std::string& name, const std::string& shape, std::uint64_t begin, std::uint64_t end) {
    return "\"" + name + R"(":{"dtype":"F32","shape":)" + shape + R"(,"data_offsets":[)" + std::to_string(begin) + "," +
           std::to_string(end) + "]}";
  };
  const auto file = [](const std::string& entries) { return refusal(with_header("{" + entries + "}", "12345678")); };
  CHECK(file(t("a", "[1]", 0, 4) + "," + t("b", "[1]", 4, 8)).empty());
  CHECK_THAT(file(t("a", "[1]", 0, 4) + "," + t("a", "[1]", 4, 8)), Contains("\"a\"") && Contains("twice"));
  CHECK_THAT(file(t("a", "[2]", 0, 8) + "," + t("b", "[1]", 4, 8)), Contains("\"b\"") && Contains("overlaps"));
  CHECK_THAT(file(t("a", "[1]", 4, 8)), Contains("belong to no tensor"));
  CHECK_THAT(file(t("a", "[1]", 0, 4)), Contains("from 4 to 8"));
  CHECK_THAT(file(t("a", "[3]", 0, 12)), Contains("0 to 12") && Contains("end at 8"));
  CHECK_THAT(file(t("a", "[1]", 8, 4)), Contains("ends before it begins"));
  CHECK_THAT(file(t("a", "[1]", ~std::uint64_t{3}, 0)), Contains("ends before it begins"));
  CHECK_THAT(file(t("a", "[3]", 0, 8)), Contains("8 bytes where shape [3] of F32 has 12"));
  CHECK_THAT(file(t("a", "[4611686018427387906]", 0, 8)), Contains("overflows"));
  CHECK_THAT(file(t("a", "[4294967296,4294967296]", 0, 8)), Contains("overflows"));
  CHECK_THAT(file(R"("a":{"dtype":"F4","shape":[2],"data_offsets":[0,8]})"), Contains("\"F4\""));
}

TEST_CASE("a million brackets are refused as quickly as one") {
  CHECK_THAT(refusal(with_header("{\"a\":" + std::string(1'000'000, '['))), Contains("list"));
  std::string objects;
  for (int i = 0; i < 200'000; ++i) objects += "{\"a\":";
  CHECK_THAT(refusal(with_header(objects)), Contains("\"a\""));
}

TEST_CASE("every truncation is refused and changed bytes never crash") {
  const std::string data = "0123456789ab";
  const ScratchFile good;
  write_safetensors(good.path(), {tensor_over("a", "F32", {2}, data.substr(0, 8)), tensor_over("b", "I16", {2, 1}, data.substr(8))},
                    {{"format", "pt"}});
  const std::string bytes = good.read();
  for (std::size_t length = 0; length < bytes.size(); ++length) CHECK_FALSE(refusal(bytes.substr(0, length)).empty());

  std::mt19937 random{11};
  int accepted = 0;
  for (int round = 0; round < 3000; ++round) {
    std::string changed = bytes;
    static constexpr std::string_view kNasty = "{}[]\",:09-e\\\xFF";
    for (auto changes = 1 + random() % 3; changes > 0; --changes) {
      changed[random() % changed.size()] =
          static_cast<char>(random() % 2 ? random() : static_cast<unsigned>(kNasty[random() % kNasty.size()]));
    }
    const ScratchFile scratch{changed};
    try {
      const SafetensorsFile file{scratch.path()};
      ++accepted;
      std::size_t total = 0;
      for (const SafeTensor& tensor : file.tensors()) total += bytes_of(tensor).size();
      REQUIRE(total <= changed.size());
    } catch (const Error& error) {
      REQUIRE(error.kind() == ErrorKind::data);
    }
  }
  CHECK(accepted > 0);
  CHECK(accepted < 3000);
}

TEST_CASE("the sizes of dtypes") {
  CHECK(dtype_bytes("F32") == 4);
  CHECK(dtype_bytes("BF16") == 2);
  CHECK(dtype_bytes("F16") == 2);
  CHECK(dtype_bytes("I64") == 8);
  CHECK(dtype_bytes("BOOL") == 1);
  CHECK(dtype_bytes("f32") == 0);
  CHECK(dtype_bytes("") == 0);
}

}  // namespace
}  // namespace grpo
