#include "tests/support/fake_device.hpp"

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/EmptyTensor.h>
#include <ATen/NativeFunctions.h>
#include <ATen/detail/PrivateUse1HooksInterface.h>
#include <ATen/ops/empty_strided.h>
#include <ATen/ops/from_blob.h>
#include <c10/core/impl/DeviceGuardImplInterface.h>
#include <torch/library.h>

#include <algorithm>
#include <cstring>
#include <map>
#include <mutex>
#include <stdexcept>
#include <string>
#include <sys/mman.h>
#include <vector>

namespace grpo::testing {
namespace {

using Stack = torch::jit::Stack;

/// Two mappings of the same size. Addresses of `told_` are what tensors have; the bytes are in `real_`.
class Memory {
 public:
  static Memory& instance() {
    static auto* const memory = new Memory();  // outlives every tensor
    return *memory;
  }
  void* allocate(std::size_t bytes) {
    const std::lock_guard lock(mutex_);
    const std::size_t size = rounded(bytes);
    held_ += size;
    peak_ = std::max(peak_, held_);
    auto& free = free_[size];
    if (!free.empty()) {
      void* const block = free.back();
      free.pop_back();
      std::memset(real(block), 0xFF, size);  // NaN for whoever reads what was never written
      return block;
    }
    if (used_ + size > kBytes) throw std::bad_alloc();
    void* const block = told_ + used_;
    used_ += size;
    sizes_[block] = size;
    std::memset(real(block), 0xFF, size);
    return block;
  }
  void release(void* block) {
    const std::lock_guard lock(mutex_);
    const std::size_t size = sizes_.at(block);
    held_ -= size;
    free_[size].push_back(block);
  }
  [[nodiscard]] char* real(const void* told) const { return real_ + (static_cast<const char*>(told) - told_); }

  std::size_t held_ = 0, peak_ = 0;

 private:
  static constexpr std::size_t kBytes = std::size_t{4} << 30;
  Memory() {
    told_ = static_cast<char*>(map(PROT_NONE));
    real_ = static_cast<char*>(map(PROT_READ | PROT_WRITE));
  }
  static void* map(int access) {
    void* const found = mmap(nullptr, kBytes, access, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (found == MAP_FAILED) throw std::bad_alloc();
    return found;
  }
  static std::size_t rounded(std::size_t bytes) {
    std::size_t size = 64;
    while (size < bytes) size *= 2;
    return size;
  }
  std::mutex mutex_;
  char *told_, *real_;
  std::size_t used_ = 0;
  std::map<std::size_t, std::vector<void*>> free_;
  std::map<void*, std::size_t> sizes_;
};

constexpr int kDevices = 2;

class Allocator final : public c10::Allocator {
 public:
  explicit Allocator(at::Device device) : device_(device) {}
  c10::DataPtr allocate(std::size_t bytes) override {
    void* const block = bytes == 0 ? nullptr : Memory::instance().allocate(bytes);
    return {block, block, &release, device_};
  }
  c10::DeleterFnPtr raw_deleter() const override { return &release; }
  void copy_data(void* to, const void* from, std::size_t bytes) const override {
    std::memcpy(Memory::instance().real(to), Memory::instance().real(from), bytes);
  }

 private:
  static void release(void* block) {
    if (block != nullptr) Memory::instance().release(block);
  }
  at::Device device_;
};

Allocator& allocator(at::Device device) {
  static auto* const first = new Allocator(kFake);
  static auto* const second = new Allocator(kOtherFake);
  return device.index() == kOtherFake.index() ? *second : *first;
}

thread_local c10::DeviceIndex current_device = 0;

at::Device fake(c10::DeviceIndex index) { return {at::kPrivateUse1, index < 0 ? current_device : index}; }

/// Each device has one stream.
struct Guard final : c10::impl::NoOpDeviceGuardImpl<c10::DeviceType::PrivateUse1> {
  c10::Device exchangeDevice(c10::Device device) const override {
    const c10::Device before = getDevice();
    setDevice(device);
    return before;
  }
  c10::Device getDevice() const override { return fake(current_device); }
  void setDevice(c10::Device device) const override { current_device = fake(device.index()).index(); }
  void uncheckedSetDevice(c10::Device device) const noexcept override { setDevice(device); }
  c10::Stream getStream(c10::Device device) const noexcept override { return stream(device); }
  c10::Stream getNewStream(c10::Device device, int /*priority*/) const override { return stream(device); }
  c10::Stream exchangeStream(c10::Stream of) const noexcept override { return stream(of.device()); }
  c10::DeviceIndex deviceCount() const noexcept override { return kDevices; }
  static c10::Stream stream(c10::Device device) { return c10::Stream(c10::Stream::DEFAULT, fake(device.index())); }
};
const c10::impl::DeviceGuardImplRegistrar kGuard(c10::DeviceType::PrivateUse1, new Guard());

struct Hooks final : at::PrivateUse1HooksInterface {
  bool isBuilt() const override { return true; }
  bool isAvailable() const override { return true; }
  bool hasPrimaryContext(c10::DeviceIndex /*index*/) const override { return true; }
  c10::DeviceIndex deviceCount() const override { return kDevices; }
  const at::Generator& getDefaultGenerator(c10::DeviceIndex /*index*/) const override { return at::detail::getDefaultCPUGenerator(); }
};

constexpr c10::DispatchKeySet kKeys(c10::DispatchKey::PrivateUse1);

at::Tensor empty(at::IntArrayRef size, std::optional<at::ScalarType> dtype, std::optional<at::Layout> /*layout*/,
                 std::optional<at::Device> device, std::optional<bool> /*pinned*/, std::optional<at::MemoryFormat> format) {
  return at::detail::empty_generic(size, &allocator(fake(device ? device->index() : -1)), kKeys, dtype.value_or(at::kFloat), format);
}

at::Tensor empty_strided(at::IntArrayRef size, at::IntArrayRef stride, std::optional<at::ScalarType> dtype,
                         std::optional<at::Layout> /*layout*/, std::optional<at::Device> device, std::optional<bool> /*pinned*/) {
  return at::detail::empty_strided_generic(size, stride, &allocator(fake(device ? device->index() : -1)), kKeys,
                                           dtype.value_or(at::kFloat));
}

/// A tensor of the CPU over the device's bytes.
at::Tensor on_host(const at::Tensor& tensor) {
  const auto options = at::TensorOptions(at::kCPU).dtype(tensor.dtype());
  if (tensor.storage().nbytes() == 0) return at::empty_strided(tensor.sizes(), tensor.strides(), options);
  char* const first =
      Memory::instance().real(tensor.storage().data()) + tensor.storage_offset() * static_cast<std::int64_t>(tensor.itemsize());
  return at::from_blob(
      first, tensor.sizes(), tensor.strides(), [tensor](void*) {}, options);
}

at::Tensor to_device(const at::Tensor& host, at::Device device) {
  const auto there = empty_strided(host.sizes(), host.strides(), host.scalar_type(), {}, device, {});
  on_host(there).copy_(host);
  return there;
}

at::Tensor copy_from(const at::Tensor& from, const at::Tensor& to, bool /*non_blocking*/) {
  const auto host = [](const at::Tensor& t) { return t.device().type() == at::kPrivateUse1 ? on_host(t) : t; };
  host(to).copy_(host(from));
  return to;
}

/// What an operator of the device may be given.
class Arguments {
 public:
  explicit Arguments(const c10::OperatorHandle& op) : op_(op) {}

  at::Tensor host(const at::Tensor& tensor, std::size_t argument) {
    if (!tensor.defined()) return tensor;
    if (tensor.device().type() == at::kPrivateUse1 && device_.value_or(tensor.device()) == tensor.device()) {
      device_ = tensor.device();
      return on_host(tensor);
    }
    if (tensor.is_cpu() && tensor.dim() == 0 && takes_numbers()) return tensor;
    throw std::runtime_error(op_.schema().name() + ": argument " + op_.schema().arguments()[argument].name() + " lies on " +
                             tensor.device().str() + ", the others on the device");
  }
  at::IValue host(const at::IValue& value, std::size_t argument) {
    if (value.isTensor()) return host(value.toTensor(), argument);
    if (value.isTensorList()) {
      c10::List<at::Tensor> list;
      for (const at::Tensor& one : value.toTensorVector()) list.push_back(host(one, argument));
      return list;
    }
    if (value.isOptionalTensorList()) {
      c10::List<std::optional<at::Tensor>> list;
      for (const std::optional<at::Tensor>& one : value.toOptionalTensorVector())
        list.push_back(one ? std::optional(host(*one, argument)) : std::nullopt);
      return list;
    }
    return value.isDevice() ? at::IValue(at::Device(at::kCPU)) : value;
  }

  /// Where they lie.
  [[nodiscard]] at::Device device() const { return device_.value_or(fake(-1)); }

 private:
  /// Element-wise operators read a number of the host; an optimizer's fused kernel, or one that takes indices, does not.
  [[nodiscard]] bool takes_numbers() const {
    const std::string& name = op_.schema().name();
    return name.find("_fused_") == std::string::npos && name.find("index") == std::string::npos &&
           name.find("gather") == std::string::npos && name.find("scatter") == std::string::npos &&
           name.find("embedding") == std::string::npos;
  }
  const c10::OperatorHandle& op_;
  std::optional<at::Device> device_;
};

/// The argument that a result is, if the operator writes to one and returns it.
std::optional<std::size_t> written_argument(const c10::FunctionSchema& schema, std::size_t result) {
  const auto* alias = schema.returns()[result].alias_info();
  if (alias == nullptr || !alias->isWrite()) return std::nullopt;
  for (std::size_t i = 0; i < schema.arguments().size(); ++i)
    if (const auto* of = schema.arguments()[i].alias_info(); of != nullptr && of->beforeSets() == alias->beforeSets()) return i;
  return std::nullopt;
}

/// What an operator wrote to had no elements, and it made room for them (what "out" variants do), or another number: an error there.
void take_size(const c10::FunctionSchema& schema, const at::Tensor& written, const at::Tensor& host) {
  if (written.sizes() == host.sizes()) return;
  if (written.numel() != 0) throw std::runtime_error(schema.name() + ": what it writes to had to be resized");
  const auto there = to_device(host, written.device());
  written.unsafeGetTensorImpl()->set_storage_keep_dtype(there.storage());
  written.unsafeGetTensorImpl()->set_sizes_and_strides(there.sizes(), there.strides());
}

at::IValue result_of(const at::IValue& value, at::Device device) {
  if (value.isTensor()) return value.toTensor().defined() ? to_device(value.toTensor(), device) : value.toTensor();
  if (!value.isTensorList()) return value;
  c10::List<at::Tensor> list;
  for (const at::Tensor& one : value.toTensorVector()) list.push_back(to_device(one, device));
  return list;
}

/// Every operator without a kernel of its own.
void run_on_host(const c10::OperatorHandle& op, Stack* stack) {
  const auto& schema = op.schema();
  const std::size_t count = schema.arguments().size(), first = stack->size() - count;
  const std::vector<at::IValue> given(stack->begin() + static_cast<std::ptrdiff_t>(first), stack->end());
  Arguments arguments(op);
  for (std::size_t i = 0; i < count; ++i) (*stack)[first + i] = arguments.host(given[i], i);
  const std::vector<at::IValue> host(stack->begin() + static_cast<std::ptrdiff_t>(first), stack->end());
  op.redispatchBoxed(c10::DispatchKeySet(c10::DispatchKey::CPU), stack);
  for (std::size_t r = 0; r < schema.returns().size(); ++r) {
    at::IValue& result = (*stack)[first + r];
    const auto written = written_argument(schema, r);
    if (written && host[*written].isTensor()) take_size(schema, given[*written].toTensor(), host[*written].toTensor());
    result = written ? given[*written] : result_of(result, arguments.device());
  }
}

at::Tensor view(const at::Tensor& self, at::IntArrayRef size) { return at::native::view(self, size); }
at::Tensor as_strided(const at::Tensor& self, at::IntArrayRef size, at::IntArrayRef stride, std::optional<std::int64_t> offset) {
  return at::native::as_strided_tensorimpl(self, size, stride, offset);
}
at::Tensor reshape_alias(const at::Tensor& self, at::IntArrayRef size, at::IntArrayRef stride) {
  return at::native::_reshape_alias(self, size, stride);
}

TORCH_LIBRARY_IMPL(aten, PrivateUse1, library) {
  library.impl("empty.memory_format", &empty);
  library.impl("empty_strided", &empty_strided);
  library.impl("_copy_from", &copy_from);
  library.impl("view", &view);
  library.impl("as_strided", &as_strided);
  library.impl("_reshape_alias", &reshape_alias);
}

TORCH_LIBRARY_IMPL(_, PrivateUse1, library) { library.fallback(torch::CppFunction::makeFromBoxedFunction<&run_on_host>()); }

}  // namespace

void register_fake_device() {
  c10::register_privateuse1_backend("fake");
  at::RegisterPrivateUse1HooksInterface(new Hooks());  // libtorch keeps it
}

std::int64_t fake_bytes() { return static_cast<std::int64_t>(Memory::instance().held_); }
std::int64_t fake_peak() { return static_cast<std::int64_t>(Memory::instance().peak_); }
void reset_fake_peak() { Memory::instance().peak_ = Memory::instance().held_; }

}  // namespace grpo::testing
