#include "libgrpo/remote/nccl_channel.hpp"

#include "libgrpo/base/clock.hpp"
#include "libgrpo/base/error.hpp"
#include "libgrpo/tensor/precompiled.hpp"

#include <unistd.h>

#include <fmt/format.h>
#include <algorithm>
#include <chrono>
#include <future>
#include <nlohmann/json.hpp>
#include <thread>

namespace grpo::remote {
namespace {

using Json = nlohmann::json;
using std::int64_t;

constexpr int kTrlPort = 51216;
constexpr std::size_t kOldPackedBytes = std::size_t{1} << 30;  // which a vLLM before 0.28 cannot be told otherwise
constexpr int kPackedFrom = 19, kLifecycleFrom = 21, kPackedInInitFrom = 28;

/// Runs `work`, which may wait for other ranks for ever, beside `call`, which has a limit of time of its own. If either fails or `work` is
/// late, the group is of no use any more. What `work` needs it must own: a thread that NCCL holds is left to itself.
void beside(const std::shared_ptr<WeightGroup>& group, std::function<void(WeightGroup&)> work, const std::function<void()>& call,
            double seconds, const std::string& who) {
  const Stopwatch watch;
  auto task = std::make_shared<std::packaged_task<void()>>([group, work = std::move(work)] { work(*group); });
  std::future<void> done = task->get_future();
  std::thread([task] { (*task)(); }).detach();
  const auto give_up = [&] {
    group->break_off();
    done.wait_for(std::chrono::seconds(1));
  };
  try {
    call();
  } catch (...) {
    give_up();
    throw;
  }
  if (done.wait_for(std::chrono::duration<double>(std::max(0.1, seconds - watch.seconds()))) != std::future_status::ready) {
    give_up();
    throw ServerError(Trouble::late, fmt::format("{}: the trainer waited in NCCL for its workers for {} seconds", who, seconds));
  }
  try {
    done.get();
  } catch (const Error& error) {
    throw ServerError(Trouble::failed, fmt::format("{}: {}", who, error.what()));
  }
}

}  // namespace

NcclChannel::NcclChannel(std::shared_ptr<const Gpu> gpu, NcclOptions options) : gpu_(std::move(gpu)), options_(std::move(options)) {}

NcclChannel::~NcclChannel() = default;

std::string NcclChannel::what_was_done(int64_t version) const { return fmt::format("offers the weights of step {} over NCCL", version); }

std::string NcclChannel::publish(const CausalLm& model, int64_t /*version*/, bool leads) {
  const at::NoGradGuard no_grad;
  const auto merged = merged_copy(model, options_.scratch);
  auto tensors = std::make_shared<NamedTensors>(published(merged ? *merged : model));
  for (auto& [name, tensor] : *tensors) tensor = options_.copy && !merged ? tensor.clone() : tensor.contiguous();
  const std::lock_guard lock(mutex_);
  leads_ = leads;
  tensors_ = std::move(tensors);
  return {};
}

NcclChannel::Link& NcclChannel::link_of(const GenerationServer& server) {
  const std::lock_guard lock(mutex_);
  const auto [place, fresh] = links_.try_emplace(&server);
  if (fresh) {
    place->second.index = static_cast<int>(links_.size()) - 1;
    place->second.server = &server;
  }
  return place->second;
}

void NcclChannel::doubt(const GenerationServer& server) {
  Link& link = link_of(server);
  const std::lock_guard lock(link.mutex);
  link.group.reset();
}

void NcclChannel::give(const GenerationServer& server, const Stamp& stamp, double seconds) {
  const Stopwatch watch;
  const bool trl = server.identity().kind == ServerKind::trl;
  if (!trl && server.identity().kind != ServerKind::vllm)
    throw ServerError(Trouble::refused, fmt::format("{} is {}, which takes no weights over NCCL; leave vllm_sync_method unset",
                                                    server.address().url(), to_string(server.identity().kind)));
  Link& link = link_of(server);
  const std::lock_guard lock(link.mutex);
  const auto left = [&] { return std::max(1.0, seconds - watch.seconds()); };
  Tensors tensors;
  {
    const std::lock_guard published(mutex_);
    tensors = tensors_;
  }
  try {
    if (!link.group) open(link, left());
    trl ? send_to_trl(link, tensors, left()) : send_to_vllm(link, tensors, left());
    server.took_weights(stamp.number, left());
  } catch (const ServerError&) {
    link.group.reset();
    throw;
  } catch (const Error& error) {  // nothing to be had by trying again
    link.group.reset();
    throw ServerError(Trouble::refused, error.what());
  }
}

void NcclChannel::open(Link& link, double seconds) const {
  const GenerationServer& server = *link.server;
  const int size = server.world_size() + 1;
  auto group = std::make_shared<WeightGroup>(gpu_);
  if (server.identity().kind == ServerKind::trl) {
    const int port = options_.port == 0 ? kTrlPort : options_.port;
    static_cast<void>(server.call("/close_communicator/", "", seconds));  // of a run that ended without
    const Json body = {{"host", "0.0.0.0"}, {"port", port}, {"world_size", size}, {"client_device_uuid", gpu_->uuid()}};
    const Meeting meeting{server.address().host, port, size - 1, size, -1, seconds};
    beside(
        group, [meeting](WeightGroup& g) { g.meet(meeting); },
        [&] { static_cast<void>(server.call("/init_communicator/", body.dump(), seconds)); }, seconds, server.address().url());
  } else {
    const std::string own = own_address_towards(server.address().host, server.address().port);
    const auto [listening, port] = listen_at(own, options_.port == 0 || !leads_ ? 0 : options_.port + link.index);
    const Meeting meeting{own, port, 0, size, listening, seconds};
    Json info = {{"master_address", own}, {"master_port", port}, {"rank_offset", 1}, {"world_size", size}};
    if (server.is_from(kPackedInInitFrom)) {
      info["packed"] = true;
      info["packed_buffer_size_bytes"] = options_.packed_bytes;
    }
    const std::string body = Json{{"init_info", info}}.dump();
    beside(
        group, [meeting](WeightGroup& g) { g.meet(meeting); },
        [&] { static_cast<void>(server.call("/init_weight_transfer_engine", body, seconds)); }, seconds, server.address().url());
  }
  link.group = std::move(group);
}

void NcclChannel::send_to_vllm(const Link& link, const Tensors& tensors, double seconds) const {
  const GenerationServer& server = *link.server;
  const bool in_init = server.is_from(kPackedInInitFrom), packed = server.is_from(kPackedFrom);
  Json update = {{"names", Json::array()}, {"dtype_names", Json::array()}, {"shapes", Json::array()}};
  for (const auto& [name, tensor] : *tensors) {
    update["names"].push_back(name);
    update["dtype_names"].push_back(dtype_name(tensor.scalar_type()));
    update["shapes"].push_back(tensor.sizes().vec());
  }
  if (packed && !in_init) update["packed"] = true;
  if (server.is_from(kLifecycleFrom)) static_cast<void>(server.call("/start_weight_update", "{}", seconds));
  const std::size_t limit = in_init ? options_.packed_bytes : kOldPackedBytes;
  beside(
      link.group,
      [tensors, packed, limit](WeightGroup& group) {
        if (!packed)
          for (const auto& [name, tensor] : *tensors) group.send(tensor);
        std::size_t begin = 0;
        for (const std::size_t end : packed ? packed_ends(*tensors, limit) : std::vector<std::size_t>()) {
          group.send_packed(*tensors, begin, end);
          begin = end;
        }
      },
      [&] {
        static_cast<void>(server.call("/update_weights", Json{{"update_info", update}}.dump(), seconds));
      },
      seconds, server.address().url());
  if (server.is_from(kLifecycleFrom)) static_cast<void>(server.call("/finish_weight_update", "{}", seconds));
}

void NcclChannel::send_to_trl(const Link& link, const Tensors& tensors, double seconds) const {
  const GenerationServer& server = *link.server;
  const auto announce = [&] {
    for (const auto& [name, tensor] : *tensors)
      static_cast<void>(server.call(
          "/update_named_param/",
          Json{{"name", name}, {"dtype", fmt::format("torch.{}", dtype_name(tensor.scalar_type()))}, {"shape", tensor.sizes().vec()}}
              .dump(),
          seconds));
  };
  beside(
      link.group,
      [tensors, seconds](WeightGroup& group) {
        for (const auto& [name, tensor] : *tensors) {
          group.send(tensor);
          group.barrier(seconds);
        }
      },
      announce, seconds, server.address().url());
}

void NcclChannel::remove() {
  for (auto& [server, link] : links_) {
    const std::lock_guard lock(link.mutex);
    if (!link.group) continue;
    link.group.reset();
    if (server->identity().kind != ServerKind::trl) continue;  // vLLM has no call for it
    try {
      static_cast<void>(server->call("/close_communicator/", "", 5.0));
    } catch (const ServerError&) {  // it is gone, and the group with it
    }
  }
}

}  // namespace grpo::remote
