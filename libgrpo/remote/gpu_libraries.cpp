#include "libgrpo/remote/gpu_libraries.hpp"

#include "libgrpo/base/error.hpp"

#include <dlfcn.h>
#include <fmt/format.h>

namespace grpo::remote {
namespace {

using Address = unsigned long long;  // CUdeviceptr
struct Uuid {
  unsigned char bytes[16];
};

class Library {
 public:
  Library(const std::string& name, const char* what) : name_(name), handle_(::dlopen(name.c_str(), RTLD_NOW | RTLD_LOCAL)) {
    if (handle_ == nullptr)
      throw Error(ErrorKind::backend,
                  fmt::format("{} cannot be opened: {}; weights go to servers over NCCL with it (put its folder into "
                              "LD_LIBRARY_PATH). Without it vLLM and grpo_serve load them from files (--vllm_sync_method "
                              "files), and TRL's server can be sampled from as it is (--vllm_sync_interval_steps 0)",
                              what, ::dlerror()));
  }
  // Never closed: threads of NCCL and of the driver may still be in it.

  template <class Function>
  void find(Function& function, const char* name) const {
    function = reinterpret_cast<Function>(::dlsym(handle_, name));
    if (function == nullptr) throw Error(ErrorKind::backend, fmt::format("{} has no function {}", name_, name));
  }

 private:
  std::string name_;
  void* handle_;
};

}  // namespace

/// Of cuda.h and nccl.h; handles are pointers, codes are int, 0 is success.
struct Gpu::Functions {
  int (*init)(unsigned);
  int (*get_device)(int*, int);
  int (*get_uuid)(Uuid*, int);
  int (*retain_context)(void**, int);
  int (*release_context)(int);
  int (*set_context)(void*);
  int (*allocate)(Address*, std::size_t);
  int (*free)(Address);
  int (*copy)(Address, Address, std::size_t);
  int (*synchronize)();
  int (*error_name)(int, const char**);

  int (*unique_id)(NcclId*);
  int (*join)(void**, int, NcclId, int);
  int (*broadcast)(const void*, void*, std::size_t, int, int, void*, void*);
  int (*all_reduce)(const void*, void*, std::size_t, int, int, void*, void*);
  int (*destroy)(void*);
  int (*break_off)(void*);
  const char* (*nccl_error)(int);
};

Gpu::Gpu(const std::string& nccl, const std::string& driver, int device) {
  const Library cuda(driver, "the CUDA driver"), collectives(nccl, "NCCL");
  auto f = std::make_unique<Functions>();
  cuda.find(f->init, "cuInit");
  cuda.find(f->get_device, "cuDeviceGet");
  cuda.find(f->get_uuid, "cuDeviceGetUuid_v2");
  cuda.find(f->retain_context, "cuDevicePrimaryCtxRetain");
  cuda.find(f->release_context, "cuDevicePrimaryCtxRelease_v2");
  cuda.find(f->set_context, "cuCtxSetCurrent");
  cuda.find(f->allocate, "cuMemAlloc_v2");
  cuda.find(f->free, "cuMemFree_v2");
  cuda.find(f->copy, "cuMemcpy");
  cuda.find(f->synchronize, "cuCtxSynchronize");
  cuda.find(f->error_name, "cuGetErrorName");
  collectives.find(f->unique_id, "ncclGetUniqueId");
  collectives.find(f->join, "ncclCommInitRank");
  collectives.find(f->broadcast, "ncclBroadcast");
  collectives.find(f->all_reduce, "ncclAllReduce");
  collectives.find(f->destroy, "ncclCommDestroy");
  collectives.find(f->break_off, "ncclCommAbort");
  collectives.find(f->nccl_error, "ncclGetErrorString");
  functions_ = std::move(f);
  check(functions_->init(0), "cuInit");
  check(functions_->get_device(&device_, device), "cuDeviceGet");
  check(functions_->retain_context(&context_, device_), "cuDevicePrimaryCtxRetain");
}

Gpu::~Gpu() { functions_->release_context(device_); }

void Gpu::enter() const { check(functions_->set_context(context_), "cuCtxSetCurrent"); }

void Gpu::check(int driver_code, const char* what) const {
  if (driver_code == 0) return;
  const char* name = nullptr;
  functions_->error_name(driver_code, &name);
  throw Error(ErrorKind::backend, fmt::format("{}: {} ({})", what, name != nullptr ? name : "an unknown error", driver_code));
}

void Gpu::check_nccl(int code, const char* what) const {
  if (code != 0)
    throw Error(ErrorKind::backend, fmt::format("{}: {} ({}); NCCL_DEBUG=INFO says more", what, functions_->nccl_error(code), code));
}

std::string Gpu::uuid() const {
  Uuid uuid{};
  check(functions_->get_uuid(&uuid, device_), "cuDeviceGetUuid");
  std::string text;
  for (int i = 0; i < 16; ++i) text += fmt::format("{}{:02x}", i == 4 || i == 6 || i == 8 || i == 10 ? "-" : "", uuid.bytes[i]);
  return text;
}

NcclId Gpu::new_id() const {
  enter();
  NcclId id{};
  check_nccl(functions_->unique_id(&id), "ncclGetUniqueId");
  return id;
}

// ---- memory ------------------------------------------------------------------------------------------------------------

GpuMemory::GpuMemory(const Gpu& gpu, std::size_t bytes) : gpu_(gpu), bytes_(bytes) {
  gpu_.enter();
  gpu_.check(gpu_.functions_->allocate(&address_, bytes_), "cuMemAlloc");
}

GpuMemory::~GpuMemory() { gpu_.functions_->free(address_); }

void GpuMemory::fill(std::size_t offset, const void* from, std::size_t bytes) {
  gpu_.enter();
  gpu_.check(gpu_.functions_->copy(address_ + offset, reinterpret_cast<Address>(from), bytes), "cuMemcpy");
}

// ---- a group -----------------------------------------------------------------------------------------------------------

NcclCommunicator::NcclCommunicator(const Gpu& gpu, const NcclId& id, int rank, int size) : gpu_(gpu), rank_(rank) {
  const float zero = 0.0F;
  GpuMemory one(gpu_, sizeof zero);
  one.fill(0, &zero, sizeof zero);
  void* made = nullptr;
  gpu_.check_nccl(gpu_.functions_->join(&made, size, id, rank), "ncclCommInitRank");
  communicator_ = made;
  constexpr int kSum = 0;
  gpu_.check_nccl(gpu_.functions_->all_reduce(one.data(), one.data(), 1, static_cast<int>(NcclType::float32), kSum, made, nullptr),
                  "ncclAllReduce");
  gpu_.check(gpu_.functions_->synchronize(), "cuCtxSynchronize");
}

NcclCommunicator::~NcclCommunicator() {
  if (void* made = communicator_.exchange(nullptr)) gpu_.functions_->destroy(made);
}

void NcclCommunicator::broadcast(const GpuMemory& memory, std::int64_t count, NcclType type) {
  void* made = communicator_;
  if (made == nullptr) throw Error(ErrorKind::backend, "the group was broken off");
  gpu_.enter();
  gpu_.check_nccl(gpu_.functions_->broadcast(memory.data(), memory.data(), static_cast<std::size_t>(count), static_cast<int>(type), rank_,
                                             made, nullptr),
                  "ncclBroadcast");
  gpu_.check(gpu_.functions_->synchronize(), "cuCtxSynchronize");
  if (communicator_ == nullptr) throw Error(ErrorKind::backend, "the group was broken off");
}

void NcclCommunicator::break_off() {
  if (void* made = communicator_.exchange(nullptr)) gpu_.functions_->break_off(made);
}

}  // namespace grpo::remote
