// `linarite serve` runs the hub; every other word is the command line's.
#include <string>
#include <string_view>

#include "cli/cli.h"
#include "cli/version.h"
#include "server/config.h"
#include "server/serve.h"
#include "server/store_command.h"

int main(int argc, char** argv) {
  if (argc > 1 && std::string_view(argv[1]) == "serve") {
    return linarite::server::serve(argc - 1, argv + 1, std::string(linarite::cli::kVersion));
  }
  return linarite::cli::run(
      argc, argv,
      {.configuration = linarite::server::effective_configuration,
       .store = [](const std::string& data, bool salvage, const std::string& to) {
         return linarite::server::look_at_store(
             {.data_directory = data, .salvage = salvage, .to = to});
       }});
}
