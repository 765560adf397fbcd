#include "libgrpo/base/error.hpp"
#include "libgrpo/dist/deal.hpp"
#include "libgrpo/dist/launch.hpp"

#include <catch2/catch.hpp>

#include <map>
#include <string>

using namespace grpo;

namespace {

using Variables = std::map<std::string, std::string>;

Launch launch(const Variables& variables) {
  return read_launch([&](const char* name) {
    const auto found = variables.find(name);
    return found == variables.end() ? nullptr : found->second.c_str();
  });
}

std::string refusal(const Variables& variables) {
  try {
    static_cast<void>(launch(variables));
  } catch (const Error& error) {
    CHECK(error.kind() == ErrorKind::recipe);
    return error.what();
  }
  return "accepted";
}

}  // namespace

TEST_CASE("a process that nobody launched is alone", "[dist]") {
  CHECK(launch({}).size == 1);
  CHECK(launch({{"RANK", "0"}, {"WORLD_SIZE", "1"}}).size == 1);
}

TEST_CASE("a batch script sees Slurm's variables without having been started by srun", "[dist]") {
  const Variables batch{{"SLURM_PROCID", "0"}, {"SLURM_NTASKS", "8"}, {"SLURM_JOB_ID", "7"}};
  CHECK(launch(batch).size == 1);
  CHECK(launch({{"SLURM_PROCID", "0"}, {"SLURM_NTASKS", "8"}, {"SLURM_STEP_ID", "0"}}).size == 8);
  CHECK(launch({{"SLURM_PROCID", "0"}, {"SLURM_NTASKS", "1"}, {"SLURM_STEP_ID", "0"}}).size == 1);
}

TEST_CASE("ranks that a Slurm task starts by hand go before Slurm's own", "[dist]") {
  const Launch found = launch({{"RANK", "1"}, {"WORLD_SIZE", "2"}, {"SLURM_PROCID", "0"}, {"SLURM_NTASKS", "1"}, {"SLURM_STEP_ID", "0"}});
  CHECK(found.rank == 1);
  CHECK(found.size == 2);
}

TEST_CASE("srun, mpirun and torchrun", "[dist]") {
  const Launch srun = launch({{"SLURM_PROCID", "3"},
                              {"SLURM_NTASKS", "4"},
                              {"SLURM_LOCALID", "1"},
                              {"SLURM_STEP_ID", "0"},
                              {"SLURM_NNODES", "2"},
                              {"MASTER_ADDR", "node1"},
                              {"MASTER_PORT", "31000"}});
  CHECK(srun.launcher == "srun");
  CHECK(srun.rank == 3);
  CHECK(srun.local_rank == 1);
  CHECK(srun.address == "node1");
  CHECK(srun.port == 31000);
  const Launch mpi = launch({{"OMPI_COMM_WORLD_RANK", "1"},
                             {"OMPI_COMM_WORLD_SIZE", "2"},
                             {"OMPI_COMM_WORLD_LOCAL_RANK", "1"},
                             {"OMPI_COMM_WORLD_LOCAL_SIZE", "2"}});
  CHECK(mpi.rank == 1);
  CHECK(mpi.address == "127.0.0.1");
  const Launch torchrun = launch({{"RANK", "1"},
                                  {"WORLD_SIZE", "2"},
                                  {"LOCAL_RANK", "1"},
                                  {"LOCAL_WORLD_SIZE", "2"},
                                  {"MASTER_ADDR", "h"},
                                  {"MASTER_PORT", "1234"},
                                  {"TORCHELASTIC_USE_AGENT_STORE", "True"},
                                  {"TORCHELASTIC_RESTART_COUNT", "2"}});
  CHECK(torchrun.agent_prefix == "/libgrpo/attempt_2");
}

TEST_CASE("environments that contradict themselves are refused", "[dist]") {
  CHECK(refusal({{"RANK", "0"}}).find("WORLD_SIZE is not") != std::string::npos);
  CHECK(refusal({{"WORLD_SIZE", "2"}}).find("RANK is not") != std::string::npos);
  CHECK(refusal({{"RANK", "2"}, {"WORLD_SIZE", "2"}}).find("RANK=2 is no number from 0 to 1") != std::string::npos);
  CHECK(refusal({{"RANK", "x"}, {"WORLD_SIZE", "2"}}).find("RANK=x") != std::string::npos);
  CHECK(refusal({{"RANK", "0"}, {"WORLD_SIZE", "2"}, {"MASTER_PORT", "70000"}}).find("MASTER_PORT=70000") != std::string::npos);
  CHECK(refusal({{"SLURM_PROCID", "0"}, {"SLURM_NTASKS", "4"}, {"SLURM_STEP_ID", "0"}, {"SLURM_NNODES", "2"}}).find("MASTER_ADDR") !=
        std::string::npos);
}

TEST_CASE("work is dealt longest first to the rank with the least", "[dist]") {
  CHECK(deal({1, 7, 3, 3}, 2) == std::vector<int>{1, 0, 1, 1});
  CHECK(deal({5, 5, 5}, 3) == std::vector<int>{0, 1, 2});
  CHECK(deal({}, 2).empty());
}
