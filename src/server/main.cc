// `linarite serve` runs the hub; every other word is the command line's.
#include <string>
#include <string_view>

#include "cli/cli.h"
#include "cli/version.h"
#include "server/config.h"
#include "server/rewrap.h"
#include "server/serve.h"
#include "server/store_command.h"

int main(int argc, char** argv) {
  if (argc > 1 && std::string_view(argv[1]) == "serve") {
    return linarite::server::serve(argc - 1, argv + 1, std::string(linarite::cli::kVersion));
  }
  return linarite::cli::run(
      argc, argv,
      {.configuration = linarite::server::effective_configuration,
       .store =
           [](const linarite::cli::ServerHooks::StoreQuestion& question) {
             return linarite::server::look_at_store({.data_directory = question.data,
                                                     .salvage = question.salvage,
                                                     .to = question.to,
                                                     .master_key_file = question.master_key_file,
                                                     .new_keys = question.new_keys});
           },
       .rewrap = linarite::server::rewrap_store});
}
