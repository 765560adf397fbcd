#include "libgrpo/remote/pickles.hpp"

#include "libgrpo/base/check.hpp"

#include <algorithm>

namespace grpo::remote {
namespace {

constexpr std::string_view kModule = "vllm.distributed.device_communicators.pynccl_wrapper";

enum Opcode : std::uint8_t {
  kProto = 0x80,
  kTuple2 = 0x86,
  kShortText = 0x8C,
  kStackGlobal = 0x93,
  kMemoize = 0x94,
  kFrame = 0x95,
  kText = 'X',
  kShortBytes = 'C',
  kBytes = 'B',
  kEmptyDict = '}',
  kReduce = 'R',
  kStop = '.',
  kPut = 'q',
  kLongPut = 'r',
};

/// The opcodes of a pickle one after the other, without those that say nothing about the object: frames and memos.
class Reader {
 public:
  explicit Reader(const Bytes& pickle) : pickle_(pickle) {}

  /// Whether the next opcode is this one.
  bool take(Opcode wanted) {
    skip_silent();
    return byte() == wanted && good_;
  }
  std::optional<std::string_view> text() { return counted(kShortText, kText); }
  std::optional<std::string_view> bytes() { return counted(kShortBytes, kBytes); }
  bool end() { return take(kStop) && at_ == pickle_.size(); }

 private:
  std::uint8_t byte() {
    if (at_ < pickle_.size()) return pickle_[at_++];
    good_ = false;
    return kStop;
  }
  void skip(std::size_t count) {
    good_ = good_ && count <= pickle_.size() - at_;
    if (good_) at_ += count;
  }
  void skip_silent() {
    while (good_ && at_ < pickle_.size()) {
      switch (pickle_[at_]) {
        case kProto:
        case kPut: skip(2); break;
        case kLongPut: skip(5); break;
        case kFrame: skip(9); break;
        case kMemoize: skip(1); break;
        default: return;
      }
    }
  }
  std::optional<std::string_view> counted(Opcode with_byte, Opcode with_word) {
    skip_silent();
    const std::uint8_t opcode = byte();
    if (opcode != with_byte && opcode != with_word) return std::nullopt;
    std::size_t size = byte();
    if (opcode == with_word)
      for (int shift = 8; shift < 32; shift += 8) size |= std::size_t{byte()} << shift;
    const std::size_t begin = at_;
    skip(size);
    if (!good_) return std::nullopt;
    return std::string_view(reinterpret_cast<const char*>(pickle_.data()) + begin, size);
  }

  const Bytes& pickle_;
  std::size_t at_ = 0;
  bool good_ = true;
};

class Writer {
 public:
  Writer& op(std::uint8_t opcode) {
    body_.push_back(opcode);
    return *this;
  }
  Writer& memoize() { return op(kMemoize); }
  Writer& counted(Opcode opcode, std::string_view data) {
    GRPO_CHECK(data.size() < 256, "a short text or short bytes");
    op(opcode).op(static_cast<std::uint8_t>(data.size()));
    body_.insert(body_.end(), data.begin(), data.end());
    return memoize();
  }
  [[nodiscard]] Bytes framed() const {
    Bytes whole = {kProto, 4, kFrame};
    for (int shift = 0; shift < 64; shift += 8) whole.push_back(static_cast<std::uint8_t>(std::uint64_t{body_.size()} >> shift));
    whole.insert(whole.end(), body_.begin(), body_.end());
    return whole;
  }

 private:
  Bytes body_;
};

}  // namespace

// An instance of a ctypes structure is pickled as  _ctypes._unpickle(ncclUniqueId, ({}, its bytes)).

std::optional<NcclId> read_pickled_id(const Bytes& pickle) {
  Reader reader(pickle);
  if (reader.text() != "_ctypes" || reader.text() != "_unpickle" || !reader.take(kStackGlobal)) return std::nullopt;
  if (!reader.text() || reader.text() != "ncclUniqueId" || !reader.take(kStackGlobal)) return std::nullopt;  // in whichever module
  if (!reader.take(kEmptyDict)) return std::nullopt;
  const auto bytes = reader.bytes();
  NcclId id{};
  if (!bytes || bytes->size() != id.size()) return std::nullopt;
  std::copy(bytes->begin(), bytes->end(), id.begin());
  if (!reader.take(kTuple2) || !reader.take(kTuple2) || !reader.take(kReduce) || !reader.end()) return std::nullopt;
  return id;
}

std::optional<std::string> read_pickled_text(const Bytes& pickle) {
  Reader reader(pickle);
  const auto text = reader.text();
  if (!text || !reader.end()) return std::nullopt;
  return std::string(*text);
}

Bytes pickle_id(const NcclId& id) {
  Writer writer;
  writer.counted(kShortText, "_ctypes").counted(kShortText, "_unpickle").op(kStackGlobal).memoize();
  writer.counted(kShortText, kModule).counted(kShortText, "ncclUniqueId").op(kStackGlobal).memoize();
  writer.op(kEmptyDict).memoize().counted(kShortBytes, {reinterpret_cast<const char*>(id.data()), id.size()});
  return writer.op(kTuple2).memoize().op(kTuple2).memoize().op(kReduce).memoize().op(kStop).framed();
}

Bytes pickle_text(std::string_view text) { return Writer().counted(kShortText, text).op(kStop).framed(); }

}  // namespace grpo::remote
